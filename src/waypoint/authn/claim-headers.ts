import type { TokenIssuer } from '#shared/l7'
import { claimAt } from '#shared/policy'
import type { Fields } from '../codec/index.ts'
import type { ClaimedToken } from './read-token.ts'

/** Longer values would only be refused further on. */
const MAX_VALUE_CHARS = 8_192
// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those must not get into a header
const CONTROLS = /[\u0000-\u001f\u007f]/

/** Headers that speak for a token must not come from anybody else. */
export function removeClaimHeaders(fields: Fields, { payloadHeader, claimHeaders }: TokenIssuer): void {
  if (payloadHeader !== '') fields.remove(payloadHeader)
  for (const { name } of claimHeaders) fields.remove(name)
}

/** Tells the endpoint what the token says: texts, whole numbers and truth values. */
export function addClaimHeaders(
  fields: Fields,
  rule: TokenIssuer,
  token: Pick<ClaimedToken, 'payload' | 'claims'>,
): void {
  if (rule.payloadHeader !== '') fields.set(rule.payloadHeader, token.payload)
  for (const { name, claim } of rule.claimHeaders) {
    const value = headerValue(claimAt(token.claims, claim))
    if (value !== undefined) fields.set(name, value)
  }
}

/** As octets of UTF-8; undefined for what cannot stand in a header. */
function headerValue(claim: unknown): string | undefined {
  if (typeof claim === 'boolean' || Number.isSafeInteger(claim)) return String(claim)
  if (typeof claim !== 'string' || claim.length > MAX_VALUE_CHARS || CONTROLS.test(claim)) return undefined
  return Buffer.from(claim.trim(), 'utf8').toString('latin1')
}
