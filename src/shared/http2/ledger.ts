/** Whose bytes are counted as long as they wait for the wire. */
export interface QueuedStream {
  queuedBytes: number
}

/** Settled entries that are swept away at once. */
const SWEEP = 256

/**
 * Whose DATA is queued up to which total of bytes, oldest first, so that each stream knows what it has in the queue
 * although streams share slabs and writes. Its storage is used over and over: see `PieceQueue`.
 */
export class Ledger {
  #streams: (QueuedStream | undefined)[] = []
  #bytes: number[] = []
  #totals: number[] = []
  #head = 0
  #tail = 0

  /** `bytes` of `stream` are written once the connection has written `total` bytes in all. */
  add(stream: QueuedStream, bytes: number, total: number): void {
    stream.queuedBytes += bytes
    const at = this.#tail++
    this.#streams[at] = stream
    this.#bytes[at] = bytes
    this.#totals[at] = total
  }

  /** The connection has written `total` bytes. */
  settle(total: number): void {
    while (this.#head < this.#tail && (this.#totals[this.#head] ?? 0) <= total) {
      const stream = this.#streams[this.#head]
      if (stream !== undefined) stream.queuedBytes -= this.#bytes[this.#head] ?? 0
      this.#streams[this.#head++] = undefined
    }
    if (this.#head === this.#tail) {
      this.#head = 0
      this.#tail = 0
    } else if (this.#head >= SWEEP) this.#sweep()
  }

  clear(): void {
    this.#streams = []
    this.#bytes = []
    this.#totals = []
    this.#head = 0
    this.#tail = 0
  }

  #sweep(): void {
    this.#streams.copyWithin(0, this.#head, this.#tail)
    this.#bytes.copyWithin(0, this.#head, this.#tail)
    this.#totals.copyWithin(0, this.#head, this.#tail)
    this.#streams.fill(undefined, this.#tail - this.#head, this.#tail)
    this.#tail -= this.#head
    this.#head = 0
  }
}
