const PREFIX_BYTES = 5

/** Counts gRPC's messages in a body as it streams by, whatever pieces it comes in. */
export class MessageCounter {
  count = 0
  /** Of the present message's prefix. */
  #prefixBytes = 0
  #length = 0
  /** Of the present message that has still to come. */
  #left = 0

  take(bytes: Uint8Array, start: number, end: number): void {
    let at = start
    while (at < end) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, end - at)
        this.#left -= taken
        at += taken
        continue
      }
      // The first byte says whether it is compressed; four of length follow.
      if (this.#prefixBytes > 0) this.#length = this.#length * 256 + (bytes[at] ?? 0)
      at++
      if (++this.#prefixBytes < PREFIX_BYTES) continue
      this.count++
      this.#left = this.#length
      this.#prefixBytes = 0
      this.#length = 0
    }
  }
}
