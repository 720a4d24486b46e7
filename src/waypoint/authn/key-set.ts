import { type CryptoKey, compactVerify, importJWK, type JWK } from 'jose'
import type { ClaimedToken, SignatureAlgorithm } from './read-token.ts'

/** More keys than any issuer has; what is behind them is not read. */
const MAX_KEYS = 64
/** So many keys are tried with a token that does not say which is its own. */
const MAX_TRIES = 8

interface PublicKey {
  readonly jwk: JWK
  /** By algorithm, when it is first needed. */
  readonly imported: Map<SignatureAlgorithm, Promise<CryptoKey | Uint8Array | undefined>>
}

/** The public keys of an issuer (RFC 7517). */
export class KeySet {
  readonly #keys: readonly PublicKey[]

  private constructor(keys: readonly PublicKey[]) {
    this.#keys = keys
  }

  /** Keys that are not for signatures, or are secret, are left out; undefined for what is no key set. */
  static read(text: string): KeySet | undefined {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return undefined
    }
    if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys))
      return undefined
    const listed: readonly unknown[] = value.keys.slice(0, MAX_KEYS)
    return new KeySet(listed.filter(isPublicSigner).map((jwk) => ({ jwk, imported: new Map() })))
  }

  /** Whether any key may have signed it. */
  mayHaveSigned(token: ClaimedToken): boolean {
    return this.#keys.some(({ jwk }) => fits(jwk, token))
  }

  async hasSigned(token: ClaimedToken): Promise<boolean> {
    const candidates = this.#keys.filter(({ jwk }) => fits(jwk, token)).slice(0, MAX_TRIES)
    for (const key of candidates) {
      const imported = await importedOf(key, token.alg)
      if (imported !== undefined && (await verifies(token, imported))) return true
    }
    return false
  }
}

function isPublicSigner(value: unknown): value is JWK {
  if (typeof value !== 'object' || value === null) return false
  const { kty, use, kid, alg } = value as Readonly<Record<string, unknown>> // an object
  return (
    (kty === 'RSA' || kty === 'EC' || kty === 'OKP') &&
    (use === undefined || use === 'sig') &&
    (kid === undefined || typeof kid === 'string') &&
    (alg === undefined || typeof alg === 'string')
  )
}

const CURVES: Readonly<Record<string, SignatureAlgorithm>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
}

/** By what both say: the key's name, its kind, and what it is for. */
function fits({ kid, kty, crv, alg }: JWK, token: ClaimedToken): boolean {
  if (token.kid !== undefined && kid !== undefined && kid !== token.kid) return false
  if (alg !== undefined && alg !== token.alg && !(alg === 'Ed25519' && token.alg === 'EdDSA')) return false
  return kty === 'RSA' ? /^[RP]S/.test(token.alg) : CURVES[crv ?? ''] === token.alg
}

/** Undefined for a key that is none. Only its public part is read, also where an issuer shows more. */
function importedOf(key: PublicKey, alg: SignatureAlgorithm): Promise<CryptoKey | Uint8Array | undefined> {
  const known = key.imported.get(alg)
  if (known !== undefined) return known
  const { kty, n, e, crv, x, y } = key.jwk
  const parts = Object.entries({ kty, n, e, crv, x, y }).filter(([, value]) => value !== undefined)
  const made = importJWK(Object.fromEntries(parts) as JWK, alg).catch(() => undefined) // the members of one
  key.imported.set(alg, made)
  return made
}

async function verifies({ text, alg }: ClaimedToken, key: CryptoKey | Uint8Array): Promise<boolean> {
  try {
    await compactVerify(text, key, { algorithms: [alg] })
    return true
  } catch {
    return false
  }
}
