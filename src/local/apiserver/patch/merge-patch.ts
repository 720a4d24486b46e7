import { fieldOf, isJsonObject, type JsonObject, setField } from './json-object.ts'

/**
 * A JSON merge patch: null removes a field, an object is merged, anything else takes the old value's place.
 *
 * @see RFC 7396 §2
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch
  const before: JsonObject = isJsonObject(target) ? target : {}
  const result: Record<string, unknown> = { ...before }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else setField(result, name, mergePatch(fieldOf(before, name), value))
  }
  return result
}
