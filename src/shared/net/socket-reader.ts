import type { OnRead, Slab } from './slab.ts'
import { hotSlabs, quietReadBuffer, smallSlabs } from './slab-pool.ts'

/** Reads below this do not pay for a slab of their own. */
export const BULK_READ_BYTES: number = 16 * 1024
/** Small reads in a row after which a hot socket goes back to the shared buffer. */
const QUIET_AFTER = 4

/** Where read bytes go; returning false stops the reading until `socket.resume()`. */
export interface ReadConsumer {
  /** `bytes` at the start of the shared buffer; valid during the call. */
  onQuietRead(buffer: Uint8Array, bytes: number): boolean
  /** `slab.buffer[start, end)`, with the headroom before it free to be overwritten; retain it to keep it. */
  onBulkRead(slab: Slab, start: number, end: number): boolean
}

/**
 * Chooses the buffer for each read of a socket: quiet ones share one, and a socket that fills it gets slabs of its own,
 * read into behind `headroomBytes`, so that a frame header can be put in front without a copy.
 */
export class SocketReader {
  readonly onread: OnRead
  readonly #consumer: ReadConsumer
  readonly #headroomBytes: number
  #isHot = false
  #smallReads = 0
  #own: Slab | undefined
  #view: Uint8Array | undefined

  constructor(headroomBytes: number, consumer: ReadConsumer) {
    this.#headroomBytes = headroomBytes
    this.#consumer = consumer
    this.onread = {
      buffer: () => this.#nextBuffer(),
      callback: (bytes, buffer) => this.#onRead(bytes, buffer),
    }
  }

  /** Gives the slab back: only when the socket is closed, as the kernel may write into it until then. */
  close(): void {
    this.#dropOwn()
  }

  #nextBuffer(): Uint8Array {
    if (!this.#isHot) {
      if (this.#own !== undefined) this.#dropOwn()
      return quietReadBuffer
    }
    if (this.#own?.isUnshared === false) this.#dropOwn()
    if (this.#view !== undefined) return this.#view
    this.#own = hotSlabs.tryAcquire() ?? smallSlabs.tryAcquire()
    this.#view = this.#own?.buffer.subarray(this.#headroomBytes)
    return this.#view ?? quietReadBuffer
  }

  #onRead(bytes: number, buffer: Uint8Array): boolean {
    const own = this.#own
    if (own === undefined || buffer !== this.#view) {
      this.#isHot = bytes === buffer.length
      this.#smallReads = 0
      return this.#consumer.onQuietRead(buffer, bytes)
    }
    if (bytes >= BULK_READ_BYTES) this.#smallReads = 0
    else if (++this.#smallReads > QUIET_AFTER) this.#isHot = false
    return this.#consumer.onBulkRead(own, this.#headroomBytes, this.#headroomBytes + bytes)
  }

  #dropOwn(): void {
    this.#own?.release()
    this.#own = undefined
    this.#view = undefined
  }
}
