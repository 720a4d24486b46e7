import { badRequest } from '../api-error.ts'
import type { Schema } from '../schema/index.ts'
import { fieldOf, isJsonObject, type JsonObject } from './json-object.ts'
import { orderItems } from './list-order.ts'

type MergeObject = (target: JsonObject, patch: JsonObject, schema: Schema | undefined) => JsonObject

/**
 * Merges a list item by item: objects by the schema's merge key, plain values as a set.
 *
 * @param order of `$setElementOrder`; undefined: that of the patch
 * @throws ApiError BadRequest
 */
export function mergeList(
  before: readonly unknown[],
  patch: readonly unknown[],
  order: readonly unknown[] | undefined,
  schema: Schema | undefined,
  mergeObject: MergeObject,
): unknown[] {
  const mergeKey = schema?.['x-kubernetes-patch-merge-key']
  if (mergeKey === undefined) return mergeSet(before, patch, order)

  const keyOf = (item: unknown): string => keyText(item, mergeKey)
  const plan = readPlan(patch, mergeKey)
  if (plan.replaces) return plan.items.map((item) => mergeObject({}, item, schema?.items))

  const remaining = before.filter((item) => !plan.deleted.has(keyOf(item)))
  const merged = [...remaining]
  const places = new Map<string, number>()
  merged.forEach((item, place) => {
    const key = keyOf(item)
    if (!places.has(key)) places.set(key, place)
  })
  for (const item of plan.items) {
    const key = keyOf(item)
    const place = places.get(key) ?? merged.length
    merged[place] = mergeObject((merged[place] ?? {}) as JsonObject, item, schema?.items)
    places.set(key, place)
  }
  const patched = plan.items.map(keyOf)
  if (order === undefined) return orderItems(merged, patched, remaining, keyOf)
  const wanted = order.map(keyOf)
  requireSameOrder(patched, wanted)
  return orderItems(merged, wanted, before, keyOf)
}

/** `$deleteFromPrimitiveList`. */
export function removeFromList(list: readonly unknown[], removed: readonly unknown[]): unknown[] {
  const keys = new Set(removed.map(valueText))
  return list.filter((item) => !keys.has(valueText(item)))
}

function mergeSet(
  before: readonly unknown[],
  patch: readonly unknown[],
  order: readonly unknown[] | undefined,
): unknown[] {
  if (patch.some((item) => typeof item === 'object' && item !== null)) {
    throw badRequest('cannot merge a list of objects without a merge key')
  }
  const merged = new Map<string, unknown>()
  for (const item of [...before, ...patch]) merged.set(valueText(item), item)
  if (order !== undefined) requireSameOrder(patch.map(valueText), order.map(valueText))
  return orderItems([...merged.values()], (order ?? patch).map(valueText), before, valueText)
}

interface ListPlan {
  /** Items to merge or add. */
  readonly items: readonly JsonObject[]
  /** Keys to remove. */
  readonly deleted: ReadonlySet<string>
  /** Whether nothing of the old list stays; the item that says so is only a sign. */
  readonly replaces: boolean
}

function readPlan(patch: readonly unknown[], mergeKey: string): ListPlan {
  const items: JsonObject[] = []
  const deleted = new Set<string>()
  let replaces = false
  for (const item of patch) {
    if (!isJsonObject(item)) throw badRequest(`an item of a list that is merged by ${mergeKey} is no object`)
    switch (fieldOf(item, '$patch')) {
      case undefined:
      case 'merge':
        keyText(item, mergeKey)
        items.push(item)
        break
      case 'delete':
        deleted.add(keyText(item, mergeKey))
        break
      case 'replace':
        replaces = true
        break
      default:
        throw badRequest(`unknown patch type found: ${JSON.stringify(item.$patch)?.slice(0, 64)}`)
    }
  }
  return { items, deleted, replaces }
}

/** The patch's items stand in `$setElementOrder`, in the same order: otherwise it was made for another list. */
function requireSameOrder(patched: readonly string[], wanted: readonly string[]): void {
  let at = 0
  for (const key of wanted) if (key === patched[at]) at++
  if (at < patched.length) throw badRequest("the order in the patch list doesn't match $setElementOrder list")
}

function keyText(item: unknown, mergeKey: string): string {
  const key = isJsonObject(item) ? fieldOf(item, mergeKey) : undefined
  if (key === undefined || key === null) throw badRequest(`map does not contain declared merge key: ${mergeKey}`)
  return valueText(key)
}

function valueText(value: unknown): string {
  return JSON.stringify(value) ?? 'null'
}
