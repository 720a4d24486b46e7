import { type KeyObject, sign, verify } from 'node:crypto'
import { MeshError } from '#shared/errors'
import { DerReader, encode, nullValue, oid, oidText, sequence, tags } from './der.ts'
import { keyStrength } from './keys.ts'
import { oids } from './oids.ts'

interface Algorithm {
  readonly oid: string
  /** Undefined: the signature scheme hashes by itself. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | undefined
  readonly keyType: 'ec' | 'rsa' | 'ed25519'
}

/** What is verified; SHA-1 and MD5 are not among them. */
const algorithms: readonly Algorithm[] = [
  { oid: oids.ecdsaWithSha256, digest: 'sha256', keyType: 'ec' },
  { oid: oids.ecdsaWithSha384, digest: 'sha384', keyType: 'ec' },
  { oid: oids.ecdsaWithSha512, digest: 'sha512', keyType: 'ec' },
  { oid: oids.sha256WithRsa, digest: 'sha256', keyType: 'rsa' },
  { oid: oids.sha384WithRsa, digest: 'sha384', keyType: 'rsa' },
  { oid: oids.sha512WithRsa, digest: 'sha512', keyType: 'rsa' },
  { oid: oids.ed25519, digest: undefined, keyType: 'ed25519' },
]

/** AlgorithmIdentifier of what `signDer` does with this key. */
export function signatureAlgorithm(key: KeyObject): Buffer {
  const { oid: name, keyType } = algorithmFor(key)
  return keyType === 'rsa' ? sequence(oid(name), nullValue()) : sequence(oid(name))
}

export function signDer(toBeSigned: Uint8Array, key: KeyObject): Buffer {
  return sign(algorithmFor(key).digest, toBeSigned, key)
}

/** @returns false for a wrong signature, an algorithm that is not read here, or one that does not fit the key */
export function verifyDer(
  toBeSigned: Uint8Array,
  algorithmDer: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): boolean {
  const name = oidText(new DerReader(algorithmDer).enter(tags.sequence).read(tags.oid).content)
  const algorithm = algorithms.find((one) => one.oid === name)
  if (algorithm === undefined || algorithm.keyType !== key.asymmetricKeyType) return false
  try {
    return verify(algorithm.digest, toBeSigned, key, signature)
  } catch {
    return false // OpenSSL throws on signatures that are not even encoded as such
  }
}

/** SHA-384 for P-384, SHA-256 for everything else that is signed with (RFC 5480 §4). */
function algorithmFor(key: KeyObject): Algorithm {
  const strength = keyStrength(key)
  const digest = strength.kind === 'ec' && strength.curve === 'secp384r1' ? 'sha384' : 'sha256'
  const found = algorithms.find((one) => one.keyType === strength.kind && one.digest === digest)
  if (found === undefined)
    throw new MeshError('CERTIFICATE_INVALID', `no signature with a key of type ${key.asymmetricKeyType}`)
  return found
}

/** A signed structure: what was signed, the algorithm, the signature (RFC 5280 §4.1, RFC 2986 §4.2). */
export function signed(toBeSigned: Uint8Array, key: KeyObject): Buffer {
  return sequence(toBeSigned, signatureAlgorithm(key), encode(tags.bitString, Buffer.of(0), signDer(toBeSigned, key)))
}
