import type { VerifiedToken } from '../authn/index.ts'

/**
 * The texts that a claim of a verified token holds: one, or each of a list; with spaces between where its issuer says so.
 * Anything else, and a claim that is not there, holds none.
 */
export function claimTexts(token: VerifiedToken, path: readonly string[]): readonly string[] {
  let value: unknown = token.claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return []
    value = Reflect.get(value, name)
  }
  const [claim = '', ...below] = path
  if (typeof value === 'string') {
    const isList = below.length === 0 && token.spacedClaims.includes(claim)
    return isList ? value.split(' ').filter((word) => word !== '') : [value]
  }
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
