/** Whether two JSON values are the same, whatever the order of their keys; undefined fields count as missing. */
export function isEqualJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, i) => isEqualJson(item, b[i]))
  }
  return isEqualRecord(a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>)
}

function isEqualRecord(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(a)
  for (const key of keys) if (!isEqualJson(a[key], Object.hasOwn(b, key) ? b[key] : undefined)) return false
  return Object.keys(b).every((key) => Object.hasOwn(a, key) || b[key] === undefined)
}
