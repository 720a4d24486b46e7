import { MeshError } from '#shared/errors'

/**
 * The part of ASN.1 DER (X.690) that requests and certificates need: definite lengths, one-byte tags. Written here
 * because a general toolbox costs the tunnel 4 to 10 MB and because peers' bytes are read with it.
 */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** Tag of `[n]` that wraps other values. */
export const constructedTag = (n: number): number => 0xa0 | n

/** Tag of `[n]` that replaces the tag of a plain value. */
export const primitiveTag = (n: number): number => 0x80 | n

/** One value: tag, length in its shortest form, contents. */
export function encode(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body])
  const length = Buffer.from(body.length.toString(16).padStart(8, '0'), 'hex')
  const significant = length.subarray(length.findIndex((byte) => byte !== 0))
  return Buffer.concat([Buffer.of(tag, 0x80 | significant.length), significant, body])
}

export const sequence = (...items: readonly Uint8Array[]): Buffer => encode(tags.sequence, ...items)
export const set = (...items: readonly Uint8Array[]): Buffer => encode(tags.set, ...items)
export const octetString = (content: Uint8Array): Buffer => encode(tags.octetString, content)
export const bitString = (content: Uint8Array, unusedBits = 0): Buffer =>
  encode(tags.bitString, Buffer.of(unusedBits), content)
export const utf8String = (text: string): Buffer => encode(tags.utf8String, Buffer.from(text, 'utf8'))
export const boolean = (value: boolean): Buffer => encode(tags.boolean, Buffer.of(value ? 0xff : 0))
export const nullValue = (): Buffer => encode(tags.null)

/** A non-negative integer from its big-endian bytes. */
export function unsignedInteger(bigEndian: Uint8Array): Buffer {
  const first = bigEndian.findIndex((byte) => byte !== 0)
  const magnitude = first < 0 ? Buffer.of(0) : bigEndian.subarray(first)
  const isNegative = ((magnitude[0] ?? 0) & 0x80) !== 0
  return encode(tags.integer, isNegative ? Buffer.of(0) : Buffer.alloc(0), magnitude)
}

/** `1.2.840.…` in base 128 (X.690 §8.19). */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [40 * first + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift(0x80 | (left & 0x7f))
    return groups
  })
  return encode(tags.oid, Uint8Array.from(bytes))
}

/** Whole seconds; UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5). */
export function time(epochMs: number): Buffer {
  const digits = `${new Date(epochMs).toISOString().replace(/\.\d+/, '').replaceAll(/[-:T]/g, '')}`
  const isUtcTime = new Date(epochMs).getUTCFullYear() < 2050
  return isUtcTime
    ? encode(tags.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : encode(tags.generalizedTime, Buffer.from(digits, 'latin1'))
}

/** One value as read; both views share the input's memory. */
export interface DerValue {
  readonly tag: number
  readonly content: Uint8Array
  /** Tag and length included. */
  readonly whole: Uint8Array
}

/** Reads values one after the other. Every method throws MeshError `CERTIFICATE_INVALID` on bytes that are not DER. */
export class DerReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#offset >= this.#bytes.length
  }

  /** The tag of the next value, undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset]
  }

  /** The next value, which must have that tag when one is given. */
  read(tag?: number): DerValue {
    const start = this.#offset
    const found = this.#byte()
    if ((found & 0x1f) === 0x1f) throw malformed('a tag of several bytes')
    if (tag !== undefined && found !== tag) throw malformed(`tag ${found} where ${tag} belongs`)
    const length = this.#length()
    const end = this.#offset + length
    if (end > this.#bytes.length) throw malformed('a value longer than what holds it')
    const content = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return { tag: found, content, whole: this.#bytes.subarray(start, end) }
  }

  /** As `read`, giving a reader of the contents. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).content)
  }

  /** The next value when it has that tag, else undefined and nothing is read. */
  readIf(tag: number): DerValue | undefined {
    return this.nextTag === tag ? this.read(tag) : undefined
  }

  /** @throws MeshError `CERTIFICATE_INVALID` when something is left */
  end(): void {
    if (!this.isDone) throw malformed('bytes after the last value')
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset++]
    if (byte === undefined) throw malformed('it ends early')
    return byte
  }

  /** Up to 2²⁴ − 1, in its shortest form. */
  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 3) throw malformed('an indefinite or huge length')
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte()
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw malformed('a length that is not in its shortest form')
    return length
  }
}

const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/

/** Whole seconds in UTC, as RFC 5280 §4.1.2.5 writes them; two digits of a year mean 1950 to 2049. */
export function readTime({ tag, content }: DerValue): number {
  const pattern = tag === tags.utcTime ? UTC_TIME : tag === tags.generalizedTime ? GENERALIZED_TIME : undefined
  const parts = pattern?.exec(Buffer.from(content).toString('latin1'))
  if (parts == null) throw malformed('a time that is none')
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map(Number)
  const fullYear = tag === tags.generalizedTime ? year : year < 50 ? 2000 + year : 1900 + year
  const at = new Date(0)
  at.setUTCFullYear(fullYear, month - 1, day)
  at.setUTCHours(hours, minutes, seconds)
  if (at.getUTCMonth() !== month - 1 || at.getUTCDate() !== day || at.getUTCHours() !== hours)
    throw malformed('a time that no calendar has')
  return at.getTime()
}

/** The dotted text of an OID's contents. */
export function oidText(content: Uint8Array): string {
  const arcs: number[] = []
  let arc = 0
  for (const [i, byte] of content.entries()) {
    arc = arc * 128 + (byte & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw malformed('an OID with a huge arc')
    if ((byte & 0x80) !== 0) {
      if (i === content.length - 1) throw malformed('an OID that ends early')
      continue
    }
    arcs.push(arc)
    arc = 0
  }
  const [head, ...rest] = arcs
  if (head === undefined) throw malformed('an empty OID')
  const first = Math.min(Math.floor(head / 40), 2)
  return [first, head - 40 * first, ...rest].join('.')
}

function malformed(what: string): MeshError {
  return new MeshError('CERTIFICATE_INVALID', `not DER: ${what}`)
}
