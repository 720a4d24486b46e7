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
  #rest: Buffer = Buffer.alloc(0)

  /** Whether the connection stopped in the middle of a message. */
  get isWithinMessage(): boolean {
    return this.#rest.length > 0
  }

  /** @returns messages that are complete now */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const bytes = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk])
    const messages: Uint8Array[] = []
    let at = 0
    while (bytes.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + bytes.readUInt16BE(at)
      if (end > bytes.length) break
      messages.push(bytes.subarray(at + LENGTH_BYTES, end))
      at = end
    }
    this.#rest = bytes.subarray(at)
    return messages
  }
}
