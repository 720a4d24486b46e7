import { fieldOf, isJsonObject, type JsonObject } from '../patch/json-object.ts'
import type { Schema } from '../schema/index.ts'

/**
 * One step of a path, as FieldsV1 writes it: `f:NAME` a field, `k:{"KEY":VALUE}` an item of a list that is a map,
 * `v:VALUE` an item of a list that is a set, `i:INDEX` an item by its place. Keys of `k:` are sorted, so that equal
 * steps are equal texts.
 */
export function fieldElement(name: string): string {
  return `f:${name}`
}

export function valueElement(value: unknown): string {
  return `v:${JSON.stringify(value)}`
}

/** @returns undefined when the item has none of the keys, and the schema no defaults for them */
export function keyElement(
  item: JsonObject,
  keys: readonly string[],
  itemSchema: Schema | undefined,
): string | undefined {
  const found: [string, unknown][] = []
  for (const key of [...keys].sort()) {
    const value = fieldOf(item, key) ?? itemSchema?.properties?.[key]?.default
    if (value !== undefined && value !== null) found.push([key, value])
  }
  return found.length === 0 ? undefined : `k:${JSON.stringify(Object.fromEntries(found))}`
}

/** Reads an element that a client wrote; undefined when it is none. */
export function parseElement(text: string): string | undefined {
  const rest = text.slice(2)
  switch (text.slice(0, 2)) {
    case 'f:':
      return text
    case 'i:':
      return /^\d{1,9}$/.test(rest) ? text : undefined
    case 'v:':
    case 'k:': {
      const value = parseJson(rest)
      if (text.startsWith('v:')) return value === undefined ? undefined : valueElement(value)
      if (!isJsonObject(value)) return undefined
      const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
      return `k:${JSON.stringify(Object.fromEntries(sorted))}`
    }
    default:
      return undefined
  }
}

/** As Kubernetes shows it to users: `.spec.containers[name="app"].image`. */
export function formatPath(path: readonly string[]): string {
  return path
    .map((element) => {
      const rest = element.slice(2)
      if (element.startsWith('f:')) return `.${rest}`
      if (element.startsWith('v:')) return `[=${rest}]`
      if (element.startsWith('i:')) return `[${rest}]`
      const keys = Object.entries(parseJson(rest) as JsonObject)
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`
    })
    .join('')
}

/** The schema behind one step. */
export function elementSchema(schema: Schema | undefined, element: string): Schema | undefined {
  if (!element.startsWith('f:')) return schema?.items
  const name = element.slice(2)
  const { properties, additionalProperties } = schema ?? {}
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name]
  return typeof additionalProperties === 'object' ? additionalProperties : undefined
}

/** Whether the step is a field that the schema knows by name, not a key of a map. */
export function namedField(schema: Schema | undefined, element: string): boolean {
  const { properties } = schema ?? {}
  return element.startsWith('f:') && properties !== undefined && Object.hasOwn(properties, element.slice(2))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
