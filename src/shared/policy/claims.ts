import type { TokenFacts } from './request-facts.ts'

const NONE: readonly string[] = []

/** The texts that a claim has: one, or those of a list. Numbers, truth values and objects have none. */
export function claimTexts(token: TokenFacts | undefined, path: readonly string[]): readonly string[] {
  if (token === undefined) return NONE
  const value = claimAt(token.claims, path)
  if (typeof value === 'string') {
    const isSpaced = path.length === 1 && token.spacedClaims.includes(path[0] ?? '')
    return isSpaced ? value.split(' ').filter((part) => part !== '') : [value]
  }
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : NONE
}

/** What is at the end of a way through a token's claims; names that every object has in JavaScript are not claims. */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: readonly string[]): unknown {
  let value: unknown = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[name] // an object that has it
  }
  return path.length === 0 ? undefined : value
}
