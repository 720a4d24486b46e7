import { copyBytes, hotSlabs, type OnRead, quietReadBuffer, type Slab, smallSlabs } from '#shared/net'

/** TLS hands over at most one record at a time: less room than this is not worth a read. */
const RECORD_BYTES = 16 * 1024
/** A read this large looks like bulk; two in a row make the connection hot. */
const BULK_BYTES = 8 * 1024
const HOT_AFTER = 2
/** Small reads in a row after which a hot connection goes back to the shared buffer (record tails come singly). */
const QUIET_AFTER = 4

/** What quiet connections of this process copy their bytes into; replaced when full. */
let sharedSlab: Slab | undefined
let sharedPosition = 0

/** Room for `bytes` in the shared slab, overwriting it from the start when nobody holds on to it. */
function sharedRoom(bytes: number): Slab {
  if (sharedSlab?.isUnshared === true) sharedPosition = 0
  else if (sharedSlab !== undefined && sharedSlab.buffer.length - sharedPosition < bytes) {
    sharedSlab.release()
    sharedSlab = undefined
  }
  if (sharedSlab === undefined) {
    sharedSlab = smallSlabs.acquire()
    sharedPosition = 0
  }
  return sharedSlab
}

/**
 * Where a connection's bytes are received. A quiet one reads into a buffer that all quiet ones share, so that
 * thousands of idle connections pin nothing; its bytes are copied to a slab before they are handed on. A hot one
 * reads into a slab of its own, piece behind piece.
 */
export class ReceiveBuffer {
  readonly onread: OnRead
  /** Bytes to hand on. `isOwn`: the slab stays in place until `onSlabChange`, so runs may be gathered. */
  readonly #feed: (slab: Slab, start: number, end: number, isOwn: boolean) => void
  readonly #onSlabChange: () => void
  #own: Slab | undefined
  #position = 0
  #bulkReads = 0
  #smallReads = 0
  #isStopped = false

  constructor(feed: (slab: Slab, start: number, end: number, isOwn: boolean) => void, onSlabChange: () => void) {
    this.#feed = feed
    this.#onSlabChange = onSlabChange
    this.onread = {
      buffer: () => this.#nextBuffer(),
      callback: (bytes, buffer) => {
        this.#onRead(bytes, buffer)
        return true
      },
    }
  }

  /** Hands on a copy of `bytes[start, end)`, which somebody else has read. */
  push(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end && !this.#isStopped; at += quietReadBuffer.length) {
      this.#feedCopy(bytes, at, Math.min(end, at + quietReadBuffer.length))
    }
  }

  /** What still comes is thrown away. */
  stop(): void {
    this.#isStopped = true
  }

  /** Gives the slab back: only when the socket is closed, as the kernel may write into it until then. */
  close(): void {
    this.#isStopped = true
    this.#own?.release()
    this.#own = undefined
  }

  #nextBuffer(): Uint8Array {
    if (this.#own !== undefined && this.#smallReads >= QUIET_AFTER) this.#dropOwn()
    // Bytes that nobody holds any more may be overwritten: the slab stays warm in the processor's cache.
    if (this.#own?.isUnshared === true) this.#position = 0
    else if (this.#own !== undefined && this.#own.buffer.length - this.#position < RECORD_BYTES) this.#dropOwn()
    if (this.#own === undefined) {
      if (this.#isStopped || this.#bulkReads < HOT_AFTER) return quietReadBuffer
      this.#own = hotSlabs.tryAcquire() ?? smallSlabs.tryAcquire()
      this.#position = 0
      if (this.#own === undefined) return quietReadBuffer
    }
    return this.#own.buffer.subarray(this.#position)
  }

  #dropOwn(): void {
    this.#onSlabChange()
    this.#own?.release()
    this.#own = undefined
    if (this.#smallReads >= QUIET_AFTER) this.#bulkReads = 0
  }

  #onRead(bytes: number, buffer: Uint8Array): void {
    if (this.#isStopped) return
    if (bytes >= BULK_BYTES) {
      this.#bulkReads++
      this.#smallReads = 0
    } else if (this.#own === undefined) this.#bulkReads = 0
    else this.#smallReads++

    if (buffer !== quietReadBuffer && this.#own !== undefined) {
      const start = this.#position
      this.#position += bytes
      this.#feed(this.#own, start, start + bytes, true)
      return
    }
    this.#feedCopy(quietReadBuffer, 0, bytes)
  }

  #feedCopy(source: Uint8Array, from: number, to: number): void {
    const slab = sharedRoom(to - from)
    const start = sharedPosition
    const end = start + to - from
    copyBytes(source, from, to, slab.buffer, start)
    sharedPosition = end
    slab.retain()
    try {
      this.#feed(slab, start, end, false)
    } finally {
      slab.release()
    }
  }
}
