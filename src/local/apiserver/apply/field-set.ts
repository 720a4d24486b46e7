import type { Schema } from '../schema/index.ts'
import { elementSchema, namedField } from './path-element.ts'

/**
 * A set of fields of an object as a tree, as server-side apply keeps it. `isMember`: the field itself is in the set, not
 * only something below it. Names of children are path elements (see path-element.ts). Sets are never changed in place.
 */
export interface FieldSet {
  readonly isMember: boolean
  readonly children: ReadonlyMap<string, FieldSet>
}

export const NO_FIELDS: FieldSet = { isMember: false, children: new Map() }
export const ONE_FIELD: FieldSet = { isMember: true, children: new Map() }

/** Without children that hold nothing. */
export function fieldSet(isMember: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  const kept = new Map<string, FieldSet>()
  for (const [element, child] of children) if (!isEmptySet(child)) kept.set(element, child)
  if (kept.size === 0) return isMember ? ONE_FIELD : NO_FIELDS
  return { isMember, children: kept }
}

export function isEmptySet(set: FieldSet): boolean {
  return !set.isMember && set.children.size === 0
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map(a.children)
  for (const [element, child] of b.children) children.set(element, union(children.get(element) ?? NO_FIELDS, child))
  return fieldSet(a.isMember || b.isMember, children)
}

/** Members of `a` that are not members of `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const children = [...a.children].map(
    ([element, child]) => [element, difference(child, b.children.get(element) ?? NO_FIELDS)] as const,
  )
  return fieldSet(a.isMember && !b.isMember, children)
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = [...a.children].map(
    ([element, child]) => [element, intersection(child, b.children.get(element) ?? NO_FIELDS)] as const,
  )
  return fieldSet(a.isMember && b.isMember, children)
}

export function isEqualSet(a: FieldSet, b: FieldSet): boolean {
  if (a.isMember !== b.isMember || a.children.size !== b.children.size) return false
  for (const [element, child] of a.children) {
    const other = b.children.get(element)
    if (other === undefined || !isEqualSet(child, other)) return false
  }
  return true
}

/** Without the fields that `drops` names, and all below them. */
export function without(
  set: FieldSet,
  drops: (path: readonly string[]) => boolean,
  path: readonly string[] = [],
): FieldSet {
  const children = [...set.children].flatMap(([element, child]) => {
    const below = [...path, element]
    return drops(below) ? [] : [[element, without(child, drops, below)] as const]
  })
  return fieldSet(set.isMember, children)
}

/**
 * With the parents of members that are fields which the schema names: who sets `spec.strategy.type` has a share in
 * `spec.strategy` and `spec`, although it is not listed, because they are there for its sake.
 */
export function withNamedParents(set: FieldSet, schema: Schema | undefined): FieldSet {
  const children = [...set.children].map(([element, child]) => {
    const inner = withNamedParents(child, elementSchema(schema, element))
    return [element, namedField(schema, element) ? fieldSet(true, inner.children) : inner] as const
  })
  return fieldSet(set.isMember, children)
}

/** Paths of all members, each a list of path elements, in the order of the tree. */
export function* memberPaths(set: FieldSet, path: readonly string[] = []): Generator<readonly string[]> {
  if (set.isMember && path.length > 0) yield path
  for (const [element, child] of set.children) yield* memberPaths(child, [...path, element])
}
