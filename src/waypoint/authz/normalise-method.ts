/** Case matters in methods, but some servers do not mind it: `get` may be GET to one and not to another. */
const KNOWN: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
])
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/

/** A method as it came; undefined for what is no token, or is a known method in another case. */
export function normaliseMethod(method: string): string | undefined {
  if (KNOWN.has(method)) return method
  return TOKEN.test(method) && !KNOWN.has(method.toUpperCase()) ? method : undefined
}
