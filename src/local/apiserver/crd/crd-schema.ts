import type { Schema } from '../schema/types.ts'

/** The schema of CustomResourceDefinition itself (apiextensions.k8s.io/v1), with the texts of `kubectl explain`. */

const text = (description: string): Schema => ({ type: 'string', description })
const texts = (description: string): Schema => ({
  type: 'array',
  description,
  items: { type: 'string' },
  'x-kubernetes-list-type': 'atomic',
})

const names: Schema = {
  type: 'object',
  description: 'What the kind is called in URLs, manifests and commands.',
  required: ['plural', 'kind'],
  properties: {
    plural: text('Name in URLs, lower case: /apis/<group>/<version>/<plural>.'),
    singular: text('Name of one object on the command line; the kind in lower case if not given.'),
    shortNames: texts('Shorter names for the command line.'),
    kind: text('Name in manifests, in camel case.'),
    listKind: text('Kind of a list of them; <kind>List if not given.'),
    categories: texts('Groups of kinds that can be asked for together, such as all.'),
  },
}

const column: Schema = {
  type: 'object',
  required: ['name', 'type', 'jsonPath'],
  properties: {
    name: text('Head of the column.'),
    type: { ...text('Type of the value.'), enum: ['string', 'integer', 'number', 'boolean', 'date'] },
    format: text('OpenAPI format of the value; "name" marks the name column.'),
    description: text('What the column shows.'),
    priority: { type: 'integer', format: 'int32', description: 'Above 0: shown only with -o wide.' },
    jsonPath: text('Where the value is, from the root of the object.'),
  },
}

const subresources: Schema = {
  type: 'object',
  description: 'Parts of the object that are written on their own.',
  properties: {
    status: {
      type: 'object',
      description: 'Gives /status: its writes change only the status, all others leave the status.',
      'x-kubernetes-preserve-unknown-fields': true,
    },
    scale: {
      type: 'object',
      description: 'Gives /scale.',
      required: ['specReplicasPath', 'statusReplicasPath'],
      properties: {
        specReplicasPath: text('Path of the wanted number, below .spec.'),
        statusReplicasPath: text('Path of the present number, below .status.'),
        labelSelectorPath: text('Path of the selector of the pods, as text.'),
      },
    },
  },
}

const version: Schema = {
  type: 'object',
  required: ['name', 'served', 'storage'],
  properties: {
    name: text('Name of the version: v1, v1beta1.'),
    served: { type: 'boolean', description: 'Whether objects can be read and written in this version.' },
    storage: { type: 'boolean', description: 'Whether objects are stored in this version; exactly one is.' },
    deprecated: { type: 'boolean', description: 'Answers carry a warning.' },
    deprecationWarning: text('The warning, instead of the usual one.'),
    schema: {
      type: 'object',
      description: 'What objects look like.',
      properties: {
        openAPIV3Schema: {
          type: 'object',
          description: 'A structural OpenAPI v3 schema: objects are pruned, filled and validated by it.',
          'x-kubernetes-preserve-unknown-fields': true,
        },
      },
    },
    subresources,
    additionalPrinterColumns: {
      type: 'array',
      description: 'Columns of kubectl get; the age if none is given.',
      items: column,
      'x-kubernetes-list-type': 'atomic',
    },
    selectableFields: {
      type: 'array',
      description: 'Fields that field selectors may ask for.',
      items: { type: 'object', required: ['jsonPath'], properties: { jsonPath: text('Path of the field.') } },
      'x-kubernetes-list-type': 'atomic',
    },
  },
}

const conversion: Schema = {
  type: 'object',
  description: 'How objects are turned from one version into another.',
  required: ['strategy'],
  properties: {
    strategy: text('None: only apiVersion changes. Webhook is not supported on one machine.'),
    webhook: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
}

const status: Schema = {
  type: 'object',
  description: 'What the server made of it.',
  properties: {
    acceptedNames: names,
    conditions: {
      type: 'array',
      description: 'NamesAccepted and Established say whether the kind is served; Terminating, that it is going.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status'],
        properties: {
          type: text('Name of the condition.'),
          status: text('True, False or Unknown.'),
          reason: text('One word why.'),
          message: text('A sentence why.'),
          lastTransitionTime: { ...text('When the status last changed.'), format: 'date-time' },
          observedGeneration: { type: 'integer', description: 'Generation that the condition speaks of.' },
        },
      },
    },
    storedVersions: texts('Versions that objects were ever stored in.'),
    observedGeneration: { type: 'integer', description: 'Generation that the status speaks of.' },
  },
}

export const crdSchema: Schema = {
  type: 'object',
  description: 'A kind of object that users add to the API.',
  required: ['spec'],
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      description: 'The kind: its names, its scope and its versions.',
      required: ['group', 'names', 'scope', 'versions'],
      properties: {
        group: text('API group, a DNS name.'),
        names,
        scope: { ...text('Whether objects live in namespaces.'), enum: ['Cluster', 'Namespaced'] },
        versions: {
          type: 'array',
          description: 'The versions of the kind.',
          minItems: 1,
          items: version,
          'x-kubernetes-list-type': 'atomic',
        },
        conversion,
        preserveUnknownFields: { type: 'boolean', description: 'Must be false: fields must be in the schema.' },
      },
    },
    status,
  },
}
