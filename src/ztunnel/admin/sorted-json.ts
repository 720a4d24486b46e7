/** What JSON can hold; undefined members are left out. */
export type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [key: string]: Json }

/** Indented JSON with the keys of every object in order, so that two dumps can be compared line by line. */
export function sortedJson(value: Json): string {
  return `${JSON.stringify(sorted(value), undefined, 2)}\n`
}

/** In code-unit order, as keys and lists of a dump stand. */
export function inOrder(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function sorted(value: Json): Json {
  if (isList(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => inOrder(a, b))
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]))
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
