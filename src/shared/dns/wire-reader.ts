import { type IpAddress, ipFromBytes } from '#shared/net'
import { type DomainName, MAX_NAME_BYTES } from './names.ts'

/** No message: caught at the door of this room, never seen outside. */
export class Malformed extends Error {}

/** Pointers on the way through one name. Each must lead further back, so this bounds the work for a name, not its end. */
const MAX_POINTERS = 126
const HEADER_BYTES = 12

/** Reads a message from front to back; whatever would leave it is `Malformed`. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get at(): number {
    return this.#at
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2))
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4))
  }

  /** A copy: messages outlive the buffers that they came in. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count)
    return new Uint8Array(this.#bytes.subarray(at, at + count))
  }

  latin1(count: number): string {
    const at = this.#take(count)
    return this.#bytes.toString('latin1', at, at + count)
  }

  ip(count: 4 | 16): IpAddress {
    // Of these lengths there is always one.
    return ipFromBytes(this.bytes(count)) as IpAddress
  }

  /** A name, compressed or not (RFC 1035 §4.1.4). */
  name(): DomainName {
    const labels: string[] = []
    let at = this.#at
    /** Behind the name as it stands here, once a pointer has left it. */
    let end: number | undefined
    let earliest = at
    let pointers = 0
    let bytes = 1
    for (;;) {
      const length = this.#peek(at)
      if (length >= 0xc0) {
        const target = ((length & 0x3f) << 8) | this.#peek(at + 1)
        end ??= at + 2
        if (target >= earliest || target < HEADER_BYTES) throw new Malformed('a compression pointer does not lead back')
        if (++pointers > MAX_POINTERS) throw new Malformed('a name has too many compression pointers')
        earliest = target
        at = target
        continue
      }
      if (length > 0x3f) throw new Malformed('a label of an unknown kind')
      if (length === 0) break
      bytes += 1 + length
      if (bytes > MAX_NAME_BYTES) throw new Malformed(`a name is longer than ${MAX_NAME_BYTES} bytes`)
      if (at + 1 + length > this.#bytes.length) throw new Malformed('a label goes beyond the end')
      labels.push(this.#bytes.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    this.#at = end ?? at + 1
    return labels
  }

  #peek(at: number): number {
    const value = this.#bytes[at]
    if (value === undefined) throw new Malformed('a name goes beyond the end')
    return value
  }

  #take(count: number): number {
    const at = this.#at
    if (at + count > this.#bytes.length) throw new Malformed('it ends too early')
    this.#at = at + count
    return at
  }
}
