import { isJsonObject, type JsonObject, setField } from '../patch/json-object.ts'
import type { Schema } from '../schema/index.ts'
import { elementSchema, fieldElement, keyElement, valueElement } from './path-element.ts'

/** One part of a value that merges on its own. */
export interface Child {
  readonly element: string
  readonly value: unknown
  readonly schema: Schema | undefined
}

/**
 * What a value is made of when it merges: the fields of an object, the items of a list that is a map or a set.
 * Undefined: it merges as one value (a scalar, null, an atomic object or list, a list whose items cannot be told apart).
 * Where there is no schema, objects merge and lists are atomic.
 */
export function childrenOf(value: unknown, schema: Schema | undefined): readonly Child[] | undefined {
  if (Array.isArray(value)) return itemsOf(value, schema)
  if (!isJsonObject(value) || schema?.['x-kubernetes-map-type'] === 'atomic') return undefined
  return Object.entries(value).map(([name, inner]) => {
    const element = fieldElement(name)
    return { element, value: inner, schema: elementSchema(schema, element) }
  })
}

function itemsOf(list: readonly unknown[], schema: Schema | undefined): readonly Child[] | undefined {
  const elements = new Set<string>()
  const children: Child[] = []
  for (const item of list) {
    const element = itemElement(item, schema)
    if (element === undefined || elements.has(element)) return undefined
    elements.add(element)
    children.push({ element, value: item, schema: schema?.items })
  }
  return isMergedList(schema) ? children : undefined
}

function isMergedList(schema: Schema | undefined): boolean {
  const kind = schema?.['x-kubernetes-list-type']
  return kind === 'map' || kind === 'set'
}

function itemElement(item: unknown, schema: Schema | undefined): string | undefined {
  switch (schema?.['x-kubernetes-list-type']) {
    case 'set':
      return typeof item === 'object' ? undefined : valueElement(item)
    case 'map': {
      const keys = schema['x-kubernetes-list-map-keys'] ?? []
      return isJsonObject(item) ? keyElement(item, keys, schema.items) : undefined
    }
    default:
      return undefined
  }
}

/** A value of the same sort as `like`, of these parts. */
export function fromChildren(like: unknown, children: readonly Pick<Child, 'element' | 'value'>[]): unknown {
  if (Array.isArray(like)) return children.map(({ value }) => value)
  const object: Record<string, unknown> = {}
  for (const { element, value } of children) setField(object, element.slice(2), value)
  return object
}

/** Why a manifest's list cannot be merged, with its path; undefined when all can. */
export function listProblem(value: unknown, schema: Schema | undefined, path = ''): string | undefined {
  if (Array.isArray(value) && isMergedList(schema)) {
    const seen = new Set<string>()
    for (const [index, item] of value.entries()) {
      const element = itemElement(item, schema)
      if (element === undefined) {
        const keys = schema?.['x-kubernetes-list-map-keys']?.join(', ') ?? ''
        return keys === ''
          ? `${path}: item ${index} of a list that is a set is no plain value`
          : `${path}: element ${index}: associative list with keys has an element that omits key field ${keys}`
      }
      if (seen.has(element)) return `${path}: duplicate entries for key ${element.slice(2)}`
      seen.add(element)
    }
  }
  for (const { element, value: inner, schema: innerSchema } of childrenOf(value, schema) ?? []) {
    const problem = listProblem(
      inner,
      innerSchema,
      `${path}${element.startsWith('f:') ? `.${element.slice(2)}` : '[]'}`,
    )
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Without nulls in objects: in a manifest they say as much as a missing field. */
export function withoutNulls(object: JsonObject): JsonObject {
  const clean = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(clean)
    return isJsonObject(value) ? withoutNulls(value) : value
  }
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(object)) if (value !== null) setField(result, name, clean(value))
  return result
}
