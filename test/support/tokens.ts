import { generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import type { TokenIssuer, TokenPolicy } from '#shared/l7'

/** A key of an issuer that tests play. */
export interface SigningKey {
  readonly kid: string
  readonly alg: 'ES256' | 'RS256' | 'EdDSA'
  readonly privateKey: KeyObject
  /** As its key set shows it. */
  readonly jwk: Readonly<Record<string, unknown>>
}

export function signingKey(kid: string, alg: SigningKey['alg'] = 'ES256'): SigningKey {
  const { privateKey, publicKey } = pairOf(alg)
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

function pairOf(alg: SigningKey['alg']): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  return alg === 'EdDSA' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** A token as an issuer signs it; `header` overrides what it says of itself. */
export function signedToken(key: SigningKey, claims: object | string, header: object = {}): string {
  const { kid, alg, privateKey } = key
  const head = base64url(JSON.stringify({ alg, kid, typ: 'JWT', ...header }))
  const signed = `${head}.${base64url(typeof claims === 'string' ? claims : JSON.stringify(claims))}`
  const signature =
    alg === 'ES256'
      ? signBytes('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      : signBytes(alg === 'RS256' ? 'sha256' : undefined, Buffer.from(signed), privateKey)
  return `${signed}.${signature.toString('base64url')}`
}

export function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

export function keySet(...keys: readonly Pick<SigningKey, 'jwk'>[]): string {
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
}

/** A rule for `https://issuer.example` with the usual places. */
export function tokenIssuer(parts: Partial<TokenIssuer> & Pick<TokenIssuer, 'keys'>): TokenIssuer {
  return {
    ...{ issuer: 'https://issuer.example', audiences: [], forwardsToken: false, payloadHeader: '', claimHeaders: [] },
    locations: [
      { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
      { kind: 'query', name: 'access_token' },
    ],
    spacedClaims: ['scope', 'permission'],
    ...parts,
  }
}

export function tokenPolicy(...issuers: readonly TokenIssuer[]): TokenPolicy {
  return { namespace: 'shop', name: 'tokens', targets: [{ kind: 'waypoint' }], issuers }
}
