/** Messages of gRPC on an HTTP/2 stream: a flag, four bytes of length, the message. */
const HEAD_BYTES = 5

export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + message.length)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, HEAD_BYTES)
  return framed
}

/** Puts messages together from pieces of any size. What is kept grows with what has come, not with what is announced. */
export class MessageReader {
  readonly #maxBytes: number
  readonly #take: (message: Buffer) => void
  readonly #pieces: Buffer[] = []
  #heldBytes = 0
  /** Of the message that is being read; undefined before its head is whole. */
  #length: number | undefined

  constructor(maxBytes: number, take: (message: Buffer) => void) {
    this.#maxBytes = maxBytes
    this.#take = take
  }

  /** Nothing of an unfinished message is held. */
  get isBetweenMessages(): boolean {
    return this.#heldBytes === 0 && this.#length === undefined
  }

  /**
   * Takes a copy of the bytes.
   *
   * @returns why they are no messages that are read here; nothing more may be given after that
   */
  push(bytes: Uint8Array): string | undefined {
    this.#pieces.push(Buffer.from(bytes))
    this.#heldBytes += bytes.length
    for (;;) {
      if (this.#length === undefined) {
        if (this.#heldBytes < HEAD_BYTES) return undefined
        const head = this.#cut(HEAD_BYTES)
        if (head[0] !== 0) return 'a compressed message, which was not offered'
        this.#length = head.readUInt32BE(1)
        if (this.#length > this.#maxBytes) return `a message of ${this.#length} bytes, more than ${this.#maxBytes}`
      }
      if (this.#heldBytes < this.#length) return undefined
      const message = this.#cut(this.#length)
      this.#length = undefined
      this.#take(message)
    }
  }

  /** The first `count` bytes that are held. */
  #cut(count: number): Buffer {
    const [only = Buffer.alloc(0)] = this.#pieces
    const all = this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces, this.#heldBytes)
    this.#pieces.length = 0
    this.#heldBytes -= count
    if (this.#heldBytes > 0) this.#pieces.push(all.subarray(count))
    return all.subarray(0, count)
  }
}
