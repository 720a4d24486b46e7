import { isEqualJson } from '../objects/json-equal.ts'
import type { Schema } from '../schema/index.ts'
import { type FieldSet, fieldSet, NO_FIELDS, ONE_FIELD } from './field-set.ts'
import { namedField } from './path-element.ts'
import { type Child, childrenOf, fromChildren } from './typed-children.ts'

/**
 * The fields that a manifest sets: every value that merges as one, empty objects, keys of maps and items of lists. Not
 * the objects and lists that only hold them.
 */
export function fieldsOf(value: unknown, schema: Schema | undefined): FieldSet {
  const children = childrenOf(value, schema)
  if (children === undefined) return ONE_FIELD
  const isEmptyObject = children.length === 0 && !Array.isArray(value)
  return fieldSet(
    isEmptyObject,
    children.map((child) => {
      const inner = fieldsOf(child.value, child.schema)
      return [child.element, namedField(schema, child.element) ? inner : fieldSet(true, inner.children)] as const
    }),
  )
}

/** Live and manifest as one: what the manifest sets counts, the rest stays. */
export function mergeValues(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  if (applied === undefined) return live
  const before = childrenOf(live, schema)
  const set = childrenOf(applied, schema)
  if (before === undefined || set === undefined || Array.isArray(live) !== Array.isArray(applied)) return applied

  const known = new Map(before.map((child) => [child.element, child.value]))
  const merged = (child: Child): Child => ({
    ...child,
    value: mergeValues(known.get(child.element), child.value, child.schema),
  })
  if (Array.isArray(applied))
    return fromChildren(
      applied,
      inOrder(before, set).map(({ child, isSet }) => (isSet ? merged(child) : child)),
    )

  const parts = new Map(before.map((child) => [child.element, child]))
  for (const child of set) parts.set(child.element, merged(child))
  return fromChildren(applied, [...parts.values()])
}

/** The manifest's items in its order, between them those that only the live list has, as near to their place as can be. */
function inOrder(
  before: readonly Child[],
  set: readonly Child[],
): readonly { readonly child: Child; readonly isSet: boolean }[] {
  const setElements = new Set(set.map(({ element }) => element))
  const beforeElements = new Set(before.map(({ element }) => element))
  const shared = set.filter(({ element }) => beforeElements.has(element)).map(({ element }) => element)
  const result: { child: Child; isSet: boolean }[] = []
  let at = 0
  let sharedAt = 0
  for (const child of set) {
    for (; at < before.length; at++) {
      const live = before[at] as Child
      if (!setElements.has(live.element)) result.push({ child: live, isSet: false })
      else if (live.element === child.element || live.element === shared[sharedAt]) break
    }
    result.push({ child, isSet: true })
    if (before[at]?.element === child.element) at++
    if (shared[sharedAt] === child.element) sharedAt++
  }
  for (; at < before.length; at++) {
    const live = before[at] as Child
    if (!setElements.has(live.element)) result.push({ child: live, isSet: false })
  }
  return result
}

/** Which fields differ between two states of an object. */
export interface Comparison {
  readonly added: FieldSet
  readonly modified: FieldSet
  readonly removed: FieldSet
}

const NO_CHANGE: Comparison = { added: NO_FIELDS, modified: NO_FIELDS, removed: NO_FIELDS }

export function compareValues(before: unknown, after: unknown, schema: Schema | undefined): Comparison {
  if (before === undefined) return { ...NO_CHANGE, added: allFields(after, schema) }
  if (after === undefined) return { ...NO_CHANGE, removed: allFields(before, schema) }

  const old = childrenOf(before, schema)
  const now = childrenOf(after, schema)
  if (old === undefined && now === undefined) {
    return isEqualJson(before, after) ? NO_CHANGE : { ...NO_CHANGE, modified: ONE_FIELD }
  }
  if (old === undefined || now === undefined || Array.isArray(before) !== Array.isArray(after)) {
    return {
      added: fieldSet(false, allFields(after, schema).children),
      modified: ONE_FIELD,
      removed: fieldSet(false, allFields(before, schema).children),
    }
  }

  const oldParts = new Map(old.map((child) => [child.element, child]))
  const nowParts = new Map(now.map((child) => [child.element, child]))
  const parts = new Map([...oldParts, ...nowParts])
  const compared = [...parts.values()].map(({ element, schema: inner }) => {
    const result = compareValues(oldParts.get(element)?.value, nowParts.get(element)?.value, inner)
    return { element, result }
  })
  const join = (side: keyof Comparison): FieldSet =>
    fieldSet(
      false,
      compared.map(({ element, result }) => [element, result[side]] as const),
    )
  return { added: join('added'), modified: join('modified'), removed: join('removed') }
}

/** A value that came or went with everything in it: its fields, and the objects, lists and items that hold them. */
function allFields(value: unknown, schema: Schema | undefined): FieldSet {
  const children = childrenOf(value, schema) ?? []
  return fieldSet(
    true,
    children.map((child) => [child.element, allFields(child.value, child.schema)] as const),
  )
}

/**
 * Without the members of `set`.
 *
 * @param emptied what becomes of objects and lists that lose everything by it: `null` in their place, or nothing
 */
export function removeFields(
  value: unknown,
  set: FieldSet,
  schema: Schema | undefined,
  emptied: 'null' | 'dropped' = 'dropped',
): unknown {
  const children = childrenOf(value, schema)
  if (children === undefined || children.length === 0) return value
  const kept = children.flatMap((child) => {
    const inner = set.children.get(child.element)
    if (inner === undefined) return [child]
    if (inner.isMember) return []
    const rest = removeFields(child.value, inner, child.schema, emptied)
    return rest === undefined ? [] : [{ ...child, value: rest }]
  })
  if (kept.length > 0) return fromChildren(value, kept)
  return emptied === 'null' ? null : undefined
}
