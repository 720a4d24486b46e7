/** Two bytes of length before each message (RFC 1035 §4.2.2). */
const LENGTH_BYTES = 2

/** A message as it goes over TCP: in one piece, as some clients read length and message at once (RFC 7766 §8). */
export function toTcpFrame(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + message.length)
  frame.writeUInt16BE(message.length, 0)
  frame.set(message, LENGTH_BYTES)
  return frame
}

/** Puts the messages of a TCP connection together again; holds one unfinished message at most. */
export class TcpFrames {
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #message: Buffer | undefined
  /** Bytes that are there of the length, or of the message once that is known. */
  #filled = 0

  /** Whether the connection stopped in the middle of a message. */
  get isWithinMessage(): boolean {
    return this.#message !== undefined || this.#filled > 0
  }

  /** @returns messages that are complete now; each byte is copied once, however small the pieces are */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const messages: Uint8Array[] = []
    let rest = chunk
    while (rest.length > 0) {
      const into = this.#message ?? this.#length
      const piece = rest.subarray(0, into.length - this.#filled)
      into.set(piece, this.#filled)
      this.#filled += piece.length
      rest = rest.subarray(piece.length)
      if (this.#filled < into.length) break
      this.#filled = 0
      if (this.#message === undefined) {
        this.#message = Buffer.alloc(this.#length.readUInt16BE())
        if (this.#message.length > 0) continue
      }
      messages.push(this.#message)
      this.#message = undefined
    }
    return messages
  }
}
