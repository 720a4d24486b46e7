/** Parts of a TLS client's first message, to be put together well or badly. */
export interface HelloParts {
  /** Undefined = no such extension; one per entry otherwise. */
  readonly names?: readonly string[] | undefined
  readonly nameType?: number
  readonly session?: Uint8Array
  readonly suites?: Uint8Array
  /** Extensions before the name. */
  readonly extensions?: readonly { readonly type: number; readonly data: Uint8Array }[]
  /** Handshake bytes per record. */
  readonly recordBytes?: number
}

export function clientHello(parts: HelloParts = {}): Buffer {
  const { names, nameType = 0, session = new Uint8Array(32), suites = Buffer.from([0x13, 0x01]) } = parts
  const extensions = (parts.extensions ?? []).map(({ type, data }) => Buffer.concat([uint(type, 2), vector(data, 2)]))
  if (names !== undefined) {
    const list = Buffer.concat(
      names.map((name) => Buffer.concat([uint(nameType, 1), vector(Buffer.from(name, 'latin1'), 2)])),
    )
    extensions.push(Buffer.concat([uint(0, 2), vector(vector(list, 2), 2)]))
  }
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(session, 1),
    vector(suites, 2),
    vector(Buffer.from([0]), 1),
    vector(Buffer.concat(extensions), 2),
  ])
  return records(Buffer.concat([Buffer.from([1, 0]), uint(body.length, 2), body]), parts.recordBytes ?? 16_384)
}

function records(message: Buffer, recordBytes: number): Buffer {
  const all: Buffer[] = []
  for (let at = 0; at < message.length; at += recordBytes) {
    all.push(Buffer.from([22, 3, 1]), vector(message.subarray(at, at + recordBytes), 2))
  }
  return Buffer.concat(all)
}

function vector(data: Uint8Array, lengthBytes: 1 | 2): Buffer {
  return Buffer.concat([uint(data.length, lengthBytes), data])
}

function uint(value: number, bytes: 1 | 2): Buffer {
  return bytes === 1 ? Buffer.from([value]) : Buffer.from([value >> 8, value & 255])
}
