import type { Schema } from './types.ts'

const text: Schema = { type: 'string' }
const texts: Schema = { type: 'object', additionalProperties: text }
const flag: Schema = { type: 'boolean' }
const time: Schema = { type: 'string', format: 'date-time' }

/** `metadata` of every object (meta.k8s.io/v1 ObjectMeta). */
export const objectMetaSchema: Schema = {
  type: 'object',
  description: "Standard object's metadata.",
  properties: {
    name: { ...text, description: 'Name must be unique within a namespace and cannot be changed.' },
    generateName: { ...text, description: 'Prefix of the name that the server makes up when there is no name.' },
    namespace: { ...text, description: 'The space within which each name must be unique.' },
    selfLink: text,
    uid: { ...text, description: 'Unique in time and space; set by the server.' },
    resourceVersion: { ...text, description: 'Changes with every write; an update with it fails after another write.' },
    generation: { type: 'integer', format: 'int64', description: 'Counts changes of the desired state.' },
    creationTimestamp: { ...time, nullable: true },
    deletionTimestamp: { ...time, nullable: true },
    deletionGracePeriodSeconds: { type: 'integer', format: 'int64' },
    labels: { ...texts, description: 'Keys and values to select objects by.' },
    annotations: { ...texts, description: 'Keys and values that tools keep with the object.' },
    ownerReferences: {
      type: 'array',
      description: 'Objects that this one belongs to; when all are gone, it is collected.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['uid'],
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'uid',
      items: {
        type: 'object',
        required: ['apiVersion', 'kind', 'name', 'uid'],
        'x-kubernetes-map-type': 'atomic',
        properties: { apiVersion: text, kind: text, name: text, uid: text, controller: flag, blockOwnerDeletion: flag },
      },
    },
    finalizers: {
      type: 'array',
      description: 'Who must have cleaned up before the object goes.',
      'x-kubernetes-list-type': 'set',
      'x-kubernetes-patch-strategy': 'merge',
      items: text,
    },
    managedFields: {
      type: 'array',
      description: 'Which manager set which fields; kept by the server.',
      'x-kubernetes-list-type': 'atomic',
      items: {
        type: 'object',
        properties: {
          manager: text,
          operation: text,
          apiVersion: text,
          time: { ...time, nullable: true },
          fieldsType: text,
          fieldsV1: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          subresource: text,
        },
      },
    },
  },
}
