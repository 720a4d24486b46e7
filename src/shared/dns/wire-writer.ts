import { type IpAddress, ipToBytes } from '#shared/net'
import { type DomainName, formatName, isName } from './names.ts'

/** The message would be longer than it may be: caught in this room, never seen outside. */
export class Full extends Error {}

/** Pointers have 14 bits. */
const MAX_POINTER = 0x3fff
const POINTER = 0xc000

/** Writes a message from front to back, in at most so many bytes. */
export class WireWriter {
  readonly #bytes: Buffer
  /** Where names begin that stand here already, by their exact text. */
  readonly #names = new Map<string, number>()
  #at = 0
  #limit: number

  constructor(maxBytes: number) {
    this.#bytes = Buffer.alloc(maxBytes)
    this.#limit = maxBytes
  }

  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** Keeps bytes at the end free until they are given back. */
  reserve(bytes: number): void {
    this.#limit -= bytes
  }

  /** Either all that `write` writes, or nothing. @returns whether it fitted */
  attempt(write: () => void): boolean {
    const before = this.#at
    try {
      write()
      return true
    } catch (error) {
      if (!(error instanceof Full)) throw error
      this.#at = before
      for (const [name, at] of this.#names) if (at >= before) this.#names.delete(name)
      return false
    }
  }

  u8(value: number): void {
    this.#bytes.writeUInt8(value, this.#take(1))
  }

  u16(value: number): void {
    this.#bytes.writeUInt16BE(value, this.#take(2))
  }

  u32(value: number): void {
    this.#bytes.writeUInt32BE(value, this.#take(4))
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.#take(value.length))
  }

  latin1(value: string): void {
    this.#bytes.write(value, this.#take(value.length), 'latin1')
  }

  /** IPv4 in 16 bytes is IPv4-mapped. */
  ip(ip: IpAddress, length: 4 | 16): void {
    const bytes = ipToBytes(ip)
    if (bytes.length > length) throw new RangeError(`${ip} is no IPv4 address`)
    if (bytes.length < length) this.bytes(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff))
    this.bytes(bytes)
  }

  /**
   * @param way `compressed` only where RFC 3597 §4 allows it. Another case is another name here: compression must not
   * change what somebody wrote
   */
  name(name: DomainName, way: 'compressed' | 'whole'): void {
    if (!isName(name)) throw new RangeError(`no domain name: ${formatName(name).slice(0, 300)}`)
    for (let i = 0; i < name.length; i++) {
      const rest = formatName(name.slice(i))
      const known = this.#names.get(rest)
      if (known !== undefined && way === 'compressed') {
        this.u16(POINTER | known)
        return
      }
      if (known === undefined && this.#at <= MAX_POINTER) this.#names.set(rest, this.#at)
      const label = name[i] ?? ''
      this.u8(label.length)
      this.latin1(label)
    }
    this.u8(0)
  }

  /** Two bytes with the length of what `write` writes. */
  withLength(write: () => void): void {
    const at = this.#take(2)
    write()
    this.#bytes.writeUInt16BE(this.#at - at - 2, at)
  }

  /** Changes two bytes that stand already. */
  patchU16(at: number, value: number): void {
    this.#bytes.writeUInt16BE(value, at)
  }

  #take(count: number): number {
    const at = this.#at
    if (at + count > this.#limit) throw new Full('the message is full')
    this.#at = at + count
    return at
  }
}
