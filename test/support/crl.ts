import type { KeyObject } from 'node:crypto'
import {
  boolean,
  constructedTag,
  encode,
  octetString,
  oid,
  sequence,
  time,
  unsignedInteger,
} from '../../src/shared/pki/der.ts'
import { signatureAlgorithm, signed } from '../../src/shared/pki/signature.ts'

/** An extension of a list, or of an entry of one. */
export interface CrlExtension {
  readonly oid: string
  readonly isCritical: boolean
  readonly value: Uint8Array
}

export interface CrlInput {
  readonly issuerDer: Uint8Array
  readonly key: KeyObject
  /** Big-endian. */
  readonly serials: readonly Uint8Array[]
  readonly thisUpdateMs?: number
  /** `null` = none. */
  readonly nextUpdateMs?: number | null
  readonly extensions?: readonly CrlExtension[]
  readonly entryExtensions?: readonly CrlExtension[]
}

/** A list as DER, written for tests from RFC 5280 §5.1. */
export function writeCrl(input: CrlInput): Buffer {
  const { issuerDer, key, serials, extensions = [], entryExtensions = [] } = input
  const { thisUpdateMs = Date.now() - 60_000, nextUpdateMs = Date.now() + 86_400_000 } = input
  const entries = serials.map((serial) =>
    sequence(
      unsignedInteger(serial),
      time(thisUpdateMs),
      ...(entryExtensions.length === 0 ? [] : [sequence(...entryExtensions.map(extension))]),
    ),
  )
  const toBeSigned = sequence(
    unsignedInteger(Buffer.of(1)),
    signatureAlgorithm(key),
    issuerDer,
    time(thisUpdateMs),
    ...(nextUpdateMs === null ? [] : [time(nextUpdateMs)]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...(extensions.length === 0 ? [] : [encode(constructedTag(0), sequence(...extensions.map(extension)))]),
  )
  return signed(toBeSigned, key)
}

function extension({ oid: name, isCritical, value }: CrlExtension): Buffer {
  return sequence(oid(name), ...(isCritical ? [boolean(true)] : []), octetString(value))
}

/** The bytes of a serial number that is given in decimal. */
export function serialBytes(decimal: string): Buffer {
  const hex = BigInt(decimal).toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}
