import type { Schema } from '../../schema/index.ts'

/** Short words for schemas of built-in kinds. */
export const text: Schema = { type: 'string' }
export const flag: Schema = { type: 'boolean' }
export const integer: Schema = { type: 'integer', format: 'int32' }
export const long: Schema = { type: 'integer', format: 'int64' }
export const time: Schema = { type: 'string', format: 'date-time', nullable: true }
export const intOrString: Schema = { 'x-kubernetes-int-or-string': true }
/** `100m`, `2Gi`, or a bare number. */
export const quantity: Schema = { 'x-kubernetes-int-or-string': true }
/** Anything. */
export const free: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
export const bytes: Schema = { type: 'string', format: 'byte' }

export function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }) }
}

export function map(additionalProperties: Schema): Schema {
  return { type: 'object', additionalProperties }
}

/** A list that is replaced whole. */
export function list(items: Schema): Schema {
  return { type: 'array', 'x-kubernetes-list-type': 'atomic', items }
}

/** A list whose items are told apart by `keys`; `patchKey` when a strategic merge goes by another one. */
export function listMap(keys: readonly string[], items: Schema, patchKey: string = keys[0] ?? ''): Schema {
  return {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': keys,
    'x-kubernetes-patch-strategy': 'merge',
    'x-kubernetes-patch-merge-key': patchKey,
    items,
  }
}

/** A list of texts that are each there once. */
export function set(items: Schema): Schema {
  return { type: 'array', 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge', items }
}

/** Exactly one member counts, of the object or of each item; another one given by a patch takes its place. */
export function retainKeys(schema: Schema): Schema {
  const { 'x-kubernetes-patch-strategy': merge } = schema
  return { ...schema, 'x-kubernetes-patch-strategy': merge === undefined ? 'retainKeys' : `${merge},retainKeys` }
}

export function described(description: string, schema: Schema): Schema {
  return { ...schema, description }
}

export function defaulting(value: unknown, schema: Schema): Schema {
  return { ...schema, default: value }
}

export function oneOf(values: readonly string[], schema: Schema = text): Schema {
  return { ...schema, enum: values }
}

export const labels: Schema = map(text)

export const labelSelector: Schema = {
  ...object({
    matchLabels: labels,
    matchExpressions: list(object({ key: text, operator: text, values: list(text) }, ['key', 'operator'])),
  }),
  'x-kubernetes-map-type': 'atomic',
}

export const localObjectReference: Schema = {
  ...object({ name: defaulting('', text) }),
  'x-kubernetes-map-type': 'atomic',
}

export const objectReference: Schema = {
  ...object({
    apiVersion: text,
    kind: text,
    name: text,
    namespace: text,
    uid: text,
    resourceVersion: text,
    fieldPath: text,
  }),
  'x-kubernetes-map-type': 'atomic',
}

/** What controllers report; conditions are told apart by their type, the rest is theirs. */
export const status: Schema = {
  ...free,
  properties: {
    conditions: listMap(['type'], { ...free, properties: { type: text, status: text } }),
  },
}

/** A whole kind. */
export function kind(
  description: string,
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
): Schema {
  return {
    ...object({ apiVersion: text, kind: text, metadata: { type: 'object' }, ...properties }, required),
    description,
  }
}
