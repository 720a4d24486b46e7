import { badRequest } from '../api-error.ts'
import type { Schema } from '../schema/index.ts'
import { fieldOf, isJsonObject, type JsonObject, setField } from './json-object.ts'
import { mergeList, removeFromList } from './strategic-lists.ts'

/** Prefixes and names of the fields that say how to merge, and are no fields themselves. */
const SET_ORDER = '$setElementOrder/'
const DELETE_FROM = '$deleteFromPrimitiveList/'
const DIRECTIVES = ['$patch', '$retainKeys']

/**
 * A Kubernetes strategic merge patch. It is a merge patch, except that lists which the schema says to merge
 * (`x-kubernetes-patch-strategy`, `x-kubernetes-patch-merge-key`) are merged item by item, and these fields steer it:
 *
 * - `$patch: replace | delete | merge` of an object, or of an item of a merged list
 * - `$retainKeys: [names]`: the object keeps only these fields
 * - `$deleteFromPrimitiveList/FIELD: [values]`
 * - `$setElementOrder/FIELD: [values or {key: value}]`
 *
 * @param schema of the target; what it does not know is merged when an object and replaced when a list
 * @throws ApiError BadRequest when a directive makes no sense
 */
export function strategicPatch(target: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  switch (fieldOf(patch, '$patch')) {
    case undefined:
    case 'merge':
      return mergeFields(retainKeys(target, patch), patch, schema)
    case 'replace':
      return withoutDirectives(patch)
    case 'delete':
      return {}
    default:
      throw badRequest(`unknown patch type found: ${JSON.stringify(patch.$patch)?.slice(0, 64)}`)
  }
}

function mergeFields(target: JsonObject, patch: JsonObject, schema: Schema | undefined): JsonObject {
  const result: Record<string, unknown> = { ...target }
  for (const [name, value] of Object.entries(patch)) {
    if (DIRECTIVES.includes(name) || name.startsWith(SET_ORDER) || name.startsWith(DELETE_FROM)) continue
    const isDeletion = isJsonObject(value) && fieldOf(value, '$patch') === 'delete' && !isJsonObject(result[name])
    if (value === null || isDeletion) delete result[name]
    else
      setField(result, name, mergeValue(fieldOf(target, name), value, fieldSchema(schema, name), orderOf(patch, name)))
  }
  for (const [directive, value] of Object.entries(patch)) {
    if (directive.startsWith(DELETE_FROM)) {
      const name = directive.slice(DELETE_FROM.length)
      const list = fieldOf(result, name)
      if (list !== undefined) setField(result, name, removeFromList(asList(list, name), asList(value, directive)))
    } else if (directive.startsWith(SET_ORDER)) {
      // Together with a list in the patch it is used above; alone it only puts the list that is there in order.
      const name = directive.slice(SET_ORDER.length)
      const list = fieldOf(result, name)
      if (list === undefined || Object.hasOwn(patch, name)) continue
      const order = asList(value, directive)
      setField(result, name, mergeList(asList(list, name), [], order, fieldSchema(schema, name), strategicPatch))
    }
  }
  return result
}

function mergeValue(
  before: unknown,
  value: unknown,
  schema: Schema | undefined,
  order: readonly unknown[] | undefined,
): unknown {
  const isMerged = hasStrategy(schema, 'merge')
  if (isJsonObject(value)) {
    if (hasStrategy(schema, 'replace')) return withoutDirectives(value)
    return strategicPatch(isJsonObject(before) ? before : {}, value, schema)
  }
  if (Array.isArray(value)) {
    if (isMerged) return mergeList(Array.isArray(before) ? before : [], value, order, schema, strategicPatch)
    return value.map(cleaned)
  }
  return value
}

/** `$retainKeys` names every field that the object may keep, and so also each that the patch sets. */
function retainKeys(target: JsonObject, patch: JsonObject): JsonObject {
  const kept = fieldOf(patch, '$retainKeys')
  if (kept === undefined) return target
  const names = new Set(asList(kept, '$retainKeys'))
  for (const [name, value] of Object.entries(patch)) {
    if (value !== null && !name.startsWith('$') && !names.has(name)) {
      throw badRequest(`field ${name} is set by the patch, but not named by its $retainKeys`)
    }
  }
  return Object.fromEntries(Object.entries(target).filter(([name]) => names.has(name)))
}

function orderOf(patch: JsonObject, name: string): readonly unknown[] | undefined {
  const order = fieldOf(patch, SET_ORDER + name)
  return order === undefined ? undefined : asList(order, SET_ORDER + name)
}

function asList(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badRequest(`${name} is no list`)
  return value
}

function hasStrategy(schema: Schema | undefined, strategy: 'merge' | 'replace'): boolean {
  return schema?.['x-kubernetes-patch-strategy']?.split(',').includes(strategy) ?? false
}

function fieldSchema(schema: Schema | undefined, name: string): Schema | undefined {
  const { properties, additionalProperties } = schema ?? {}
  if (properties !== undefined && Object.hasOwn(properties, name)) return properties[name]
  return typeof additionalProperties === 'object' ? additionalProperties : undefined
}

/** An object of the patch that meets nothing to merge with. */
function withoutDirectives(object: JsonObject): JsonObject {
  const result: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(object)) {
    const isDirective = DIRECTIVES.includes(name) || name.startsWith(SET_ORDER) || name.startsWith(DELETE_FROM)
    if (!isDirective && value !== null) setField(result, name, cleaned(value))
  }
  return result
}

function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned)
  return isJsonObject(value) ? withoutDirectives(value) : value
}
