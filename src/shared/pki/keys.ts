import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { MeshError } from '#shared/errors'

/** Kind and strength of a public key, for the rules of whoever signs it. */
export type KeyStrength =
  | { readonly kind: 'ec'; readonly curve: string }
  | { readonly kind: 'rsa'; readonly bits: number }
  | { readonly kind: 'other'; readonly name: string }

export type KeyKind = 'P-256' | 'P-384' | 'RSA-2048' | 'RSA-4096'

/** A fresh private key; the public one is derived from it. */
export function generateKey(kind: KeyKind = 'P-256'): KeyObject {
  if (kind === 'P-256' || kind === 'P-384') return generateKeyPairSync('ec', { namedCurve: kind }).privateKey
  return generateKeyPairSync('rsa', { modulusLength: kind === 'RSA-2048' ? 2048 : 4096 }).privateKey
}

/** PKCS#8 PEM: the only form in which keys are kept. */
export function privateKeyPemOf(key: KeyObject): string {
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** @throws MeshError `CERTIFICATE_INVALID`; the text of the key is never part of the message */
export function readPrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new MeshError('CERTIFICATE_INVALID', 'the private key cannot be read', { cause })
  }
}

/** A SubjectPublicKeyInfo as a key. @throws MeshError `CERTIFICATE_INVALID` */
export function readPublicKey(spkiDer: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spkiDer), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new MeshError('CERTIFICATE_INVALID', 'the public key cannot be read', { cause })
  }
}

export function keyStrength(key: KeyObject): KeyStrength {
  const { namedCurve = '?', modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'ec') return { kind: 'ec', curve: namedCurve }
  if (key.asymmetricKeyType === 'rsa') return { kind: 'rsa', bits: modulusLength }
  return { kind: 'other', name: key.asymmetricKeyType ?? '?' }
}

const MIN_RSA_BITS = 2048
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'P-256', 'secp384r1', 'P-384'])

/** What a key must be, to be signed or to sign with: P-256, P-384 or RSA of 2048 bits or more. */
export function isStrong(strength: KeyStrength): boolean {
  if (strength.kind === 'ec') return CURVES.has(strength.curve)
  return strength.kind === 'rsa' && strength.bits >= MIN_RSA_BITS
}
