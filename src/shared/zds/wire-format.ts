import { MeshError } from '#shared/errors'

/** Wire types of protocol buffers; groups (3, 4) are refused. */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

const MAX_VARINT_BYTES = 10

/** One field as read: fixed-size ones are skipped, as no message here has any. */
export type Field =
  | { readonly number: number; readonly kind: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly kind: 'bytes'; readonly value: Uint8Array }

/** A varint field, left out when 0 as proto3 does. */
export function varintField(number: number, value: number): Uint8Array {
  return value === 0 ? new Uint8Array() : concat([varint((number << 3) | VARINT), varint(value)])
}

/** A string field, left out when empty as proto3 does. */
export function textField(number: number, value: string): Uint8Array {
  return value === '' ? new Uint8Array() : messageField(number, Buffer.from(value))
}

/** A message field; also written when it is empty, for its presence is the news. */
export function messageField(number: number, body: Uint8Array): Uint8Array {
  return concat([varint((number << 3) | BYTES), varint(body.length), body])
}

/**
 * Every varint and length-delimited field in order.
 * @throws MeshError `ZDS_PROTOCOL_ERROR` when the bytes are no protocol buffer
 */
export function readFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = []
  let offset = 0
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - offset) throw malformed('a field is longer than its message')
    offset += length
    return bytes.subarray(offset - length, offset)
  }
  const takeVarint = (): bigint => {
    let value = 0n
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const [byte = 0] = take(1)
      value |= BigInt(byte & 0x7f) << BigInt(7 * i)
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw malformed('a number is too long')
  }
  while (offset < bytes.length) {
    const key = takeVarint()
    const number = Number(key >> 3n)
    const type = Number(key & 7n)
    if (number === 0 || number > 0x1fff_ffff) throw malformed(`field number ${number}`)
    if (type === VARINT) fields.push({ number, kind: 'varint', value: takeVarint() })
    else if (type === BYTES) fields.push({ number, kind: 'bytes', value: take(Number(takeVarint())) })
    else if (type === FIXED64) take(8)
    else if (type === FIXED32) take(4)
    else throw malformed(`wire type ${type}`)
  }
  return fields
}

/** @throws MeshError `ZDS_PROTOCOL_ERROR` when it is not UTF-8 */
export function readText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new MeshError('ZDS_PROTOCOL_ERROR', 'a text is not UTF-8', { cause })
  }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** Of a number below 2^31. */
function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Uint8Array.from([...bytes, rest])
}

function malformed(what: string): MeshError {
  return new MeshError('ZDS_PROTOCOL_ERROR', `malformed protocol buffer: ${what}`)
}
