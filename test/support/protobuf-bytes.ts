/** Bytes of protobuf messages, written by hand, for tests of decoders. */

export function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  do {
    const more = rest > 0x7fn
    bytes.push(Number(rest & 0x7fn) | (more ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return Buffer.from(bytes)
}

export type FieldValue = number | bigint | boolean | string | Uint8Array

/** One field: numbers and booleans as varints, texts and messages with their length. */
export function field(number: number, value: FieldValue): Buffer {
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return Buffer.concat([varint(number << 3), varint(typeof value === 'boolean' ? Number(value) : value)])
  }
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes])
}

export function message(...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(fields)
}

/** A body of `application/vnd.kubernetes.protobuf`. */
export function kubernetesBody(apiVersion: string, kind: string, raw: Uint8Array, ...more: Uint8Array[]): Buffer {
  const type = message(field(1, apiVersion), field(2, kind))
  return Buffer.concat([Buffer.from('k8s\0'), field(1, type), field(2, raw), ...more])
}
