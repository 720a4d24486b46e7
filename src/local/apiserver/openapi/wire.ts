/** Wire types of protobuf (encoding guide, "Message Structure"). */
const VARINT = 0
const BYTES = 2

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  do {
    const more = rest > 0x7f ? 0x80 : 0
    bytes.push((rest & 0x7f) | more)
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** A field with a text or a message in it. */
export function bytesField(number: number, value: string | Buffer): Buffer {
  const body = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([varint((number << 3) | BYTES), varint(body.length), body])
}

export function flagField(number: number, value: boolean): Buffer {
  return Buffer.concat([varint((number << 3) | VARINT), varint(value ? 1 : 0)])
}

/** A message of fields, in their order. */
export function message(fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields)
}
