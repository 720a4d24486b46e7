import { NetlinkError } from './netlink-error.ts'

/** Set on attributes that hold attributes. */
const NLA_F_NESTED = 0x8000
/** The type without its two flag bits. */
const NLA_TYPE_MASK = 0x3fff
const HEADER_BYTES = 4

/** `struct nlattr`: length and type in host order (little-endian on every machine Node runs on), padded to 4 bytes. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(HEADER_BYTES + value.length))
  const view = new DataView(bytes.buffer)
  view.setUint16(0, HEADER_BYTES + value.length, true)
  view.setUint16(2, type, true)
  bytes.set(value, HEADER_BYTES)
  return bytes
}

export function nested(type: number, ...children: readonly Uint8Array[]): Uint8Array {
  return attribute(type | NLA_F_NESTED, concat(children))
}

/** Zero-terminated text. */
export function text(type: number, value: string): Uint8Array {
  return attribute(type, Buffer.from(`${value}\0`))
}

/** Host order, as NETLINK_ROUTE wants it. */
export function u32(type: number, value: number): Uint8Array {
  return attribute(type, hostOrder32(value))
}

/** Network order, as NETLINK_NETFILTER wants it; also signed values. */
export function u32be(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value >>> 0)
  return attribute(type, bytes)
}

export function u8(type: number, value: number): Uint8Array {
  return attribute(type, Uint8Array.of(value))
}

export function hostOrder32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value >>> 0, true)
  return bytes
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

export function aligned(length: number): number {
  return (length + 3) & ~3
}

/** A received attribute: its value is a view into the message. */
export interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

/** Every attribute in order. @throws MeshError `NETLINK_REJECTED` when a length does not fit */
export function readList(bytes: Uint8Array): Attribute[] {
  const view = viewOf(bytes)
  const found: Attribute[] = []
  let offset = 0
  while (offset + HEADER_BYTES <= bytes.length) {
    const length = view.getUint16(offset, true)
    if (length < HEADER_BYTES || offset + length > bytes.length) throw malformed()
    found.push({
      type: view.getUint16(offset + 2, true) & NLA_TYPE_MASK,
      value: bytes.subarray(offset + HEADER_BYTES, offset + length),
    })
    offset += aligned(length)
  }
  return found
}

/** Attributes by type; of several of one type, the last. */
export class Attributes {
  readonly #byType: ReadonlyMap<number, Uint8Array>

  /** @throws MeshError `NETLINK_REJECTED` when a length does not fit */
  constructor(bytes: Uint8Array | undefined) {
    this.#byType = new Map(readList(bytes ?? new Uint8Array()).map(({ type, value }) => [type, value]))
  }

  bytes(type: number): Uint8Array | undefined {
    return this.#byType.get(type)
  }

  nested(type: number): Attributes {
    return new Attributes(this.bytes(type))
  }

  /** Without the final zero; undefined when absent. */
  text(type: number): string | undefined {
    const bytes = this.bytes(type)
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8').replace(/\0+$/, '')
  }

  u32(type: number): number | undefined {
    const bytes = this.bytes(type)
    return bytes === undefined || bytes.length < 4 ? undefined : viewOf(bytes).getUint32(0, true)
  }

  u32be(type: number): number | undefined {
    const bytes = this.bytes(type)
    return bytes === undefined || bytes.length < 4 ? undefined : viewOf(bytes).getUint32(0)
  }

  u8(type: number): number | undefined {
    return this.bytes(type)?.[0]
  }
}

/**
 * The attributes behind the fixed part of an answer.
 * @throws MeshError `NETLINK_REJECTED` when the answer ends before them
 */
export function attributesBehind(headerBytes: number, body: Uint8Array): Attributes {
  if (body.length < headerBytes) throw new NetlinkError('reading an answer: it ends within its header', 'EBADMSG')
  return new Attributes(body.subarray(headerBytes))
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function malformed(): NetlinkError {
  return new NetlinkError('reading an answer: an attribute is longer than what holds it', 'EBADMSG')
}
