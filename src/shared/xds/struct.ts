import type { StructMessage, StructValue } from './messages.ts'

/** JSON ⇄ google.protobuf.Struct. Numbers that JSON cannot write (NaN, infinities) come back as null. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue }

export type JsonObject = Readonly<Record<string, JsonValue>>

export function toStruct(record: JsonObject): StructMessage {
  return { fields: Object.fromEntries(Object.entries(record).map(([key, value]) => [key, toValue(value)])) }
}

export function fromStruct(struct: StructMessage): JsonObject {
  return Object.fromEntries(Object.entries(struct.fields).map(([key, value]) => [key, fromValue(value)]))
}

function toValue(value: JsonValue): StructValue {
  if (value === null) return { nullValue: 0 }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'string') return { stringValue: value }
  if (isList(value)) return { listValue: { values: value.map(toValue) } }
  return { structValue: toStruct(value) }
}

function fromValue(value: StructValue): JsonValue {
  if (value.stringValue !== undefined) return value.stringValue
  if (value.boolValue !== undefined) return value.boolValue
  if (value.numberValue !== undefined) return Number.isFinite(value.numberValue) ? value.numberValue : null
  if (value.structValue) return fromStruct(value.structValue)
  if (value.listValue) return value.listValue.values.map(fromValue)
  return null
}

function isList(value: readonly JsonValue[] | { readonly [key: string]: JsonValue }): value is readonly JsonValue[] {
  return Array.isArray(value)
}
