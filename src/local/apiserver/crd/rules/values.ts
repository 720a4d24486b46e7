import type { Schema } from '../../schema/types.ts'
import { isObject, type JsonObject } from '../structural/json.ts'
import { fieldSchema } from '../structural/prune.ts'

/** Words that CEL keeps for itself: a field of that name is written `__word__`. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    'true false null in as break const continue else for function if import let loop package namespace return var ' +
    'void while'
  ).split(' '),
)

/**
 * A JSON value as CEL sees it by its schema: whole numbers as int, others as double, times as timestamp, objects and
 * maps as maps. Names of fields are escaped as Kubernetes does it (`a-b` is `a__dash__b`); keys of maps are not.
 */
export function celValue(value: unknown, schema: Schema | 'anything'): unknown {
  if (schema === 'anything') return freeValue(value)
  if (Array.isArray(value)) return value.map((each) => celValue(each, schema.items ?? 'anything'))
  if (isObject(value)) return objectValue(value, schema)
  if (typeof value === 'string') return textValue(value, schema.format)
  if (typeof value === 'number') {
    const isWhole = schema.type === 'integer' || (schema.type !== 'number' && Number.isInteger(value))
    return isWhole ? BigInt(Math.trunc(value)) : value
  }
  return value
}

function objectValue(object: JsonObject, schema: Schema): ReadonlyMap<string, unknown> {
  const isMap = schema.properties === undefined
  return new Map(
    Object.entries(object).map(([name, value]) => [
      isMap ? name : escapedName(name),
      celValue(value, fieldSchema(schema, name) ?? 'anything'),
    ]),
  )
}

function textValue(text: string, format: string | undefined): unknown {
  if (format !== 'date-time' && format !== 'date') return text
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? text : time
}

/** A value that no schema describes. */
function freeValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(freeValue)
  if (isObject(value)) return new Map(Object.entries(value).map(([name, each]) => [name, freeValue(each)]))
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

function escapedName(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`
  return name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__')
}
