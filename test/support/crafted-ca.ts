import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import type { SpiffeId } from '#shared/model'
import { generateKey, parseIdentity, privateKeyPemOf, signCertificate, type WorkloadCertificate } from '#shared/pki'
import {
  bitString,
  boolean,
  constructedTag,
  encode,
  octetString,
  oid,
  primitiveTag,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from '../../src/shared/pki/der.ts'
import { oids } from '../../src/shared/pki/oids.ts'
import { toPem } from '../../src/shared/pki/pem.ts'
import { signatureAlgorithm, signed } from '../../src/shared/pki/signature.ts'
import type { TlsTexts } from './tls-texts.ts'

const DAY_MS = 86_400_000

/** Who signs, by name: a name and its key. */
export interface CraftedSigner {
  readonly name: string
  readonly key: KeyObject
  /** PEM of those between this signer and the root, nearest to the leaf first. */
  readonly chain: readonly string[]
}

/** An authority that signs whatever extensions a test thinks of, in their bytes. */
export class CraftedCa implements CraftedSigner {
  readonly name = 'Crafted root'
  readonly key: KeyObject = generateKey()
  readonly chain: readonly string[] = []
  readonly rootPem: string

  constructor() {
    this.rootPem = this.#certificate(this.name, this.key, this, authority())
  }

  /** An honest identity of this authority, for our own side. */
  identity(id: SpiffeId): WorkloadCertificate {
    const key = generateKey()
    const nowMs = Date.now()
    const leaf = signCertificate(
      {
        publicKey: createPublicKey(key),
        subject: {},
        subjectAltNames: [{ kind: 'uri', value: id }],
        notBeforeMs: nowMs - DAY_MS,
        notAfterMs: nowMs + DAY_MS,
        use: { kind: 'leaf' },
      },
      { privateKey: this.key, certificatePem: this.rootPem },
    )
    return parseIdentity(id, privateKeyPemOf(key), [leaf, this.rootPem], nowMs)
  }

  /** Who signs in place of the root. */
  below(signer: CraftedSigner, name: string, extensions: readonly Buffer[] = authority()): CraftedSigner {
    const key = generateKey()
    return { name, key, chain: [this.#certificate(name, key, signer, extensions), ...signer.chain] }
  }

  leaf(extensions: readonly Buffer[], signer: CraftedSigner = this): TlsTexts {
    const key = generateKey()
    const leaf = this.#certificate('', key, signer, extensions)
    return { key: privateKeyPemOf(key), cert: [leaf, ...signer.chain].join(''), ca: this.rootPem }
  }

  #certificate(name: string, key: KeyObject, signer: CraftedSigner, extensions: readonly Buffer[]): string {
    const nowMs = Date.now()
    const toBeSigned = sequence(
      encode(constructedTag(0), unsignedInteger(Buffer.of(2))),
      unsignedInteger(Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
      signatureAlgorithm(signer.key),
      nameOf(signer.name),
      sequence(time(nowMs - DAY_MS), time(nowMs + DAY_MS)),
      nameOf(name),
      createPublicKey(key).export({ format: 'der', type: 'spki' }),
      encode(constructedTag(3), sequence(...extensions)),
    )
    return toPem('CERTIFICATE', signed(toBeSigned, signer.key))
  }
}

export function extension(name: string, isCritical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(name), ...(isCritical ? [boolean(true)] : []), octetString(value))
}

export function uriNames(...values: readonly string[]): Buffer {
  return extension(
    oids.subjectAltName,
    true,
    sequence(...values.map((one) => encode(primitiveTag(6), Buffer.from(one)))),
  )
}

export function purposes(...names: readonly string[]): Buffer {
  return extension(oids.extendedKeyUsage, false, sequence(...names.map(oid)))
}

/** Bits from the left, as RFC 5280 §4.2.1.3 numbers them. */
export function keyUsage(...bits: readonly number[]): Buffer {
  const octet = bits.reduce((all, bit) => all | (0x80 >> bit), 0)
  return extension(oids.keyUsage, true, bitString(Buffer.of(octet)))
}

/** What a signer says of itself. @param maxPathLength of authorities below it */
export function authority(maxPathLength?: number, ...usage: readonly number[]): Buffer[] {
  const length = maxPathLength === undefined ? [] : [unsignedInteger(Buffer.of(maxPathLength))]
  return [extension(oids.basicConstraints, true, sequence(boolean(true), ...length)), keyUsage(5, 6, ...usage)]
}

function nameOf(commonName: string): Buffer {
  return commonName === '' ? sequence() : sequence(set(sequence(oid(oids.commonName), utf8String(commonName))))
}
