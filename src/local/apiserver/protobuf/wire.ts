import { badRequest } from '../api-error.ts'

/** One field as it stands in the bytes; `number` is its number, not yet looked up. */
export type WireField =
  | { readonly number: number; readonly wire: 'varint'; readonly value: bigint }
  | { readonly number: number; readonly wire: 'bytes'; readonly value: Uint8Array }
  /** 32 or 64 bits; no kind of Kubernetes uses them, so they are only ever skipped. */
  | { readonly number: number; readonly wire: 'fixed' }

/** What one request body may still cost; shared by all messages inside it. */
export interface DecodeBudget {
  fieldsLeft: number
}

const LONGEST_VARINT_BYTES = 10
const HIGHEST_FIELD_NUMBER = 2 ** 29 - 1

/**
 * The fields of one message, in the order of the bytes. Values are views, not copies.
 *
 * @throws ApiError BadRequest when the bytes are no message, or the budget is spent
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export function* wireFields(bytes: Uint8Array, budget: DecodeBudget): Generator<WireField> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let read = 0; read < LONGEST_VARINT_BYTES; read++) {
      const byte = bytes[at++]
      if (byte === undefined) throw badRequest('a number is cut off')
      value |= BigInt(byte & 0x7f) << BigInt(7 * read)
      if (byte < 0x80) return value
    }
    throw badRequest('a number is longer than ten bytes')
  }
  const skip = (count: number): void => {
    at += count
    if (at > bytes.length) throw badRequest('a field is cut off')
  }

  while (at < bytes.length) {
    if (--budget.fieldsLeft < 0) throw badRequest('too many fields')
    const tag = varint()
    const number = Number(tag >> 3n)
    if (number < 1 || number > HIGHEST_FIELD_NUMBER) throw badRequest('a field number is out of range')
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, wire: 'varint', value: BigInt.asIntN(64, varint()) }
        break
      case 1:
        skip(8)
        yield { number, wire: 'fixed' }
        break
      case 2: {
        const length = varint()
        if (length > BigInt(bytes.length - at)) throw badRequest('a field is cut off')
        const start = at
        at += Number(length)
        yield { number, wire: 'bytes', value: bytes.subarray(start, at) }
        break
      }
      case 5:
        skip(4)
        yield { number, wire: 'fixed' }
        break
      default:
        throw badRequest(`field ${number} has a wire type that is not used`)
    }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @throws ApiError BadRequest when the bytes are no UTF-8 */
export function wireText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw badRequest('a text is not UTF-8')
  }
}
