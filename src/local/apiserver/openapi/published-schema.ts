import { objectMetaSchema } from '../schema/index.ts'
import type { Schema } from '../schema/types.ts'
import type { Described } from './group-versions.ts'
import { LIST_META, OBJECT_META, schemaName } from './schema-names.ts'

/** A schema as it is published: with references, and with the kinds that it describes. */
export type Published = Omit<Schema, 'properties' | 'items' | 'allOf'> & {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Published>>
  readonly items?: Published
  readonly allOf?: readonly Published[]
  readonly 'x-kubernetes-group-version-kind'?: readonly GroupVersionKind[]
}

export interface GroupVersionKind {
  readonly group: string
  readonly kind: string
  readonly version: string
}

export const REF_PREFIX = '#/components/schemas/'
const API_VERSION: Schema = {
  type: 'string',
  description: 'Group and version of the schema of this representation of the object, as group/version.',
}
const KIND: Schema = {
  type: 'string',
  description: 'Name of the kind of the object, in camel case; cannot be changed.',
}

/** All schemas of one document by name: the kinds, their lists, and the metadata that they refer to. */
export function publishedSchemas(kinds: readonly Described[]): Readonly<Record<string, Published>> {
  const schemas = new Map<string, Published>([
    [
      OBJECT_META,
      { ...objectMetaSchema, description: 'ObjectMeta is metadata that all persisted resources must have.' },
    ],
  ])
  for (const each of kinds) {
    schemas.set(schemaName(each, each.kind), kindSchema(each))
    if (each.operations.kind !== 'objects') continue
    schemas.set(LIST_META, listMeta)
    schemas.set(schemaName(each, each.operations.listKind), listSchema(each, each.operations.listKind))
  }
  return Object.fromEntries(schemas)
}

function kindSchema(described: Described): Published {
  const { apiVersion: _, kind: __, metadata: ___, ...rest } = described.schema.properties ?? {}
  const metadata = referenceTo(OBJECT_META, "Standard object's metadata.")
  return {
    ...described.schema,
    type: 'object',
    properties: { apiVersion: API_VERSION, kind: KIND, metadata, ...rest },
    'x-kubernetes-group-version-kind': [gvkOf(described, described.kind)],
  }
}

function listSchema(described: Described, listKind: string): Published {
  return {
    type: 'object',
    description: `${listKind} is a list of ${described.kind}.`,
    required: ['items'],
    properties: {
      apiVersion: API_VERSION,
      kind: KIND,
      metadata: referenceTo(LIST_META, "Standard list's metadata."),
      items: { type: 'array', items: referenceTo(schemaName(described, described.kind)) },
    },
    'x-kubernetes-group-version-kind': [gvkOf(described, listKind)],
  }
}

export function gvkOf({ group, version }: Described, kind: string): GroupVersionKind {
  return { group, kind, version }
}

/** With something to say beside it, a reference stands in an allOf: JSON references have no siblings. */
function referenceTo(name: string, description?: string): Published {
  const reference = { $ref: `${REF_PREFIX}${name}` }
  return description === undefined ? reference : { description, allOf: [reference] }
}

const listMeta: Published = {
  type: 'object',
  description: 'ListMeta describes metadata that lists must have.',
  properties: {
    continue: { type: 'string', description: 'Where the next part of the list begins; empty at its end.' },
    remainingItemCount: { type: 'integer', format: 'int64', description: 'How many objects are not in this part.' },
    resourceVersion: { type: 'string', description: 'State of the server that the list shows; where a watch goes on.' },
  },
}
