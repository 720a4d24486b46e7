import { RE2JS } from 're2js'
import type { IstioStringMatch } from '#shared/k8s'
import type { TextMatch } from '#shared/l7'
import type { Find } from './findings.ts'

/** Larger expressions cost a proxy more than anybody means. */
const MAX_PATTERN = 1_024

/** Undefined when RE2 takes it. */
export function regexProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN) return `is longer than ${MAX_PATTERN} characters`
  try {
    RE2JS.compile(pattern)
    return undefined
  } catch (error) {
    return `is no RE2 expression: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** Undefined when it can never match: its expression is none. */
export function checkedRegex(pattern: string, path: string, find: Find): string | undefined {
  const problem = regexProblem(pattern)
  if (problem === undefined) return pattern
  find({ path, reason: 'UnsupportedValue', message: problem })
  return undefined
}

/** A match of Istio's; `*` as an expression and nothing at all both mean that there is something. */
export function istioMatch(match: IstioStringMatch, path: string, find: Find): TextMatch | undefined {
  const { kind, value } = match
  if (kind === 'any' || (kind === 'regex' && value === '*')) return { kind: 'presence' }
  if (kind === 'regex') {
    const pattern = checkedRegex(value, `${path}.regex`, find)
    return pattern === undefined ? undefined : { kind, value: pattern }
  }
  return { kind, value }
}
