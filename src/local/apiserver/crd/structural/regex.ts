import { RE2JS } from 're2js'

/** Compiled patterns kept; the oldest goes first. Schemas of all mesh kinds together hold about 60. */
const MAX_KEPT = 1_000
const kept = new Map<string, RE2JS>()

/**
 * A user's regular expression, on an engine whose time grows with the text alone: V8's would let a CRD stop the server.
 * The syntax is RE2's, which is also what Kubernetes runs.
 *
 * @throws Error when it does not compile
 */
export function compileRegex(pattern: string): RE2JS {
  const known = kept.get(pattern)
  if (known !== undefined) return known
  const compiled = RE2JS.compile(pattern)
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? '')
  kept.set(pattern, compiled)
  return compiled
}

/** Whether the pattern is found anywhere in the text (patterns anchor themselves). */
export function findsRegex(pattern: string, text: string): boolean {
  return compileRegex(pattern).test(text)
}

export function regexProblem(pattern: string): string | undefined {
  try {
    compileRegex(pattern)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
