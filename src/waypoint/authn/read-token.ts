import type { TokenProblem } from './token-problem.ts'

/** What a compact JWS says, before anybody has looked whether it is true. */
export interface ClaimedToken {
  readonly text: string
  readonly alg: SignatureAlgorithm
  readonly kid: string | undefined
  /** The payload as it came, in base64url. */
  readonly payload: string
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
  readonly expiresAtS: number | undefined
  readonly notBeforeS: number | undefined
  readonly claims: Readonly<Record<string, unknown>>
}

/** With public keys only: nobody who can read a key can sign with it, and `none` is no signature. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const
export type SignatureAlgorithm = (typeof ALGORITHMS)[number]

/** Longer ones are nobody's. */
export const MAX_TOKEN_CHARS = 16_384
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** Strict: every claim that we look at has its type, or the token is none. */
export function readToken(text: string): ClaimedToken | TokenProblem {
  const parts = text.length > MAX_TOKEN_CHARS ? [] : text.split('.', 4)
  const [head = '', payload = '', signature = ''] = parts
  if (parts.length !== 3) return 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'
  if (!BASE64URL.test(head)) return 'Jwt header is an invalid Base64url encoded'
  const header = objectOf(head)
  if (header === undefined) return 'Jwt header is an invalid JSON'
  const { alg, kid, crit, b64 } = header
  if (typeof alg !== 'string') return 'Jwt header [alg] field is required and must be a string'
  if (!isAlgorithm(alg)) return 'Jwt header [alg] is not supported'
  if (kid !== undefined && typeof kid !== 'string') return 'Jwt header [kid] field is not a string'
  if (!BASE64URL.test(payload)) return 'Jwt payload is an invalid Base64url encoded'
  const claims = objectOf(payload)
  if (claims === undefined) return 'Jwt payload is an invalid JSON'
  if (!BASE64URL.test(signature)) return 'Jwt signature is an invalid Base64url encoded'
  // Extensions that change what is signed: we know none.
  if (crit !== undefined || b64 !== undefined) return 'Jwt verification fails'
  return readClaims({ text, alg, kid, payload }, claims)
}

function readClaims(
  token: Pick<ClaimedToken, 'text' | 'alg' | 'kid' | 'payload'>,
  claims: Readonly<Record<string, unknown>>,
): ClaimedToken | TokenProblem {
  const { iss = '', sub = '', aud = [], exp, nbf } = claims
  if (typeof iss !== 'string') return 'Jwt payload [iss] field is not a string'
  if (typeof sub !== 'string') return 'Jwt payload [sub] field is not a string'
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud]
  if (!areTexts(audiences)) return 'Jwt payload [aud] field is not a string or string list'
  if (!isTime(exp)) return 'Jwt payload [exp] field is not an integer or not positive'
  if (!isTime(nbf)) return 'Jwt payload [nbf] field is not an integer or not positive'
  return { ...token, claims, issuer: iss, subject: sub, audiences, expiresAtS: exp, notBeforeS: nbf }
}

function isAlgorithm(alg: string): alg is SignatureAlgorithm {
  return (ALGORITHMS as readonly string[]).includes(alg)
}

function areTexts(values: readonly unknown[]): values is readonly string[] {
  return values.every((value) => typeof value === 'string')
}

function isTime(value: unknown): value is number | undefined {
  return value === undefined || (Number.isSafeInteger(value) && Number(value) >= 0)
}

function objectOf(base64url: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64url, 'base64url').toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return value as Record<string, unknown> // JSON has no other objects
  } catch {
    return undefined
  }
}
