/** A JSON object of which nothing else is known. */
export type JsonObject = Readonly<Record<string, unknown>>

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Own fields only: `constructor` is a field like any other, and not one of each object. */
export function fieldOf(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** Sets a field of an object that the caller has made; also one that is called `__proto__`. */
export function setField(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
  } else {
    object[name] = value
  }
}

/** How deep JSON may be nested here; the deepest built-in kind needs under twenty. */
export const DEEPEST_JSON = 128

/** Whether a value is nested deeper than {@link DEEPEST_JSON}; looks no deeper than that. */
export function isTooDeep(value: unknown, levelsLeft: number = DEEPEST_JSON): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levelsLeft === 0) return true
  for (const inner of Object.values(value)) if (isTooDeep(inner, levelsLeft - 1)) return true
  return false
}
