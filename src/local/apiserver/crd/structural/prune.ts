import type { Schema } from '../../schema/types.ts'
import { isObject, member } from './json.ts'
import { child, item } from './path.ts'

/** Told of each field that no schema names; the path is the field's own. */
export type OnUnknown = (path: string) => void

/** What every object and embedded object has, whatever its schema says. */
const OBJECT_FIELDS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata'])

/**
 * A value without the fields that its schema does not know. The very same value when there is none, so that callers
 * may compare by identity. `metadata` of objects is left alone: it is the server's own business.
 *
 * @param isRoot the value is a whole object, with `apiVersion`, `kind` and `metadata`
 */
export function prune(value: unknown, schema: Schema, isRoot: boolean, onUnknown?: OnUnknown): unknown {
  return walk(value, schema, isRoot, '', onUnknown ?? (() => undefined))
}

/** The fields that `prune` would take away, each by its path. */
export function unknownFields(value: unknown, schema: Schema, isRoot: boolean): readonly string[] {
  const found: string[] = []
  prune(value, schema, isRoot, (path) => found.push(path))
  return found
}

function walk(value: unknown, schema: Schema, isObjectRoot: boolean, path: string, onUnknown: OnUnknown): unknown {
  if (Array.isArray(value)) return walkList(value, schema, path, onUnknown)
  if (!isObject(value)) return value
  const isWhole = isObjectRoot || schema['x-kubernetes-embedded-resource'] === true
  const kept: [string, unknown][] = []
  let isSame = true
  for (const [name, was] of Object.entries(value)) {
    const at = child(path, name)
    const known = fieldSchema(schema, name)
    if (isWhole && OBJECT_FIELDS.has(name)) kept.push([name, was])
    else if (known === undefined) {
      onUnknown(at)
      isSame = false
    } else {
      const now = known === 'anything' ? was : walk(was, known, false, at, onUnknown)
      if (now !== was) isSame = false
      kept.push([name, now])
    }
  }
  return isSame ? value : Object.fromEntries(kept)
}

function walkList(value: readonly unknown[], schema: Schema, path: string, onUnknown: OnUnknown): unknown {
  const { items } = schema
  if (items === undefined) return value
  const now = value.map((each, i) => walk(each, items, false, item(path, i), onUnknown))
  return now.some((each, i) => each !== value[i]) ? now : value
}

/** The schema of a field; `anything` where fields are free; undefined where the field is not known. */
export function fieldSchema(schema: Schema, name: string): Schema | 'anything' | undefined {
  const named = member(schema.properties, name)
  if (named !== undefined) return named
  const { additionalProperties } = schema
  if (typeof additionalProperties === 'object') return additionalProperties
  if (additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'] === true) return 'anything'
  return undefined
}
