/** Protobuf by hand, so that field numbers are compared with something that was not made from the same .proto. */
export type Field = readonly [number: number, value: string | number | Uint8Array | readonly Field[]]

export function message(...fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.concat([varint(number << 3), varint(value)])
      const body = typeof value === 'string' ? Buffer.from(value) : isFields(value) ? message(...value) : value
      return Buffer.concat([varint((number << 3) | 2), varint(body.length), body])
    }),
  )
}

function isFields(value: Uint8Array | readonly Field[]): value is readonly Field[] {
  return Array.isArray(value)
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  let left = value
  while (left > 127) {
    bytes.push((left & 0x7f) | 0x80)
    left = Math.floor(left / 128)
  }
  return Buffer.of(...bytes, left)
}
