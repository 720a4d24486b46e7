import { PieceQueue, type Slab, smallSlabs } from '#shared/net'
import { Ledger, type QueuedStream } from './ledger.ts'
import { FRAME_HEADER_BYTES } from './types.ts'

/** Writes one piece to the socket and calls `onWritten` when the kernel (or TLS) has taken it. */
export type WritePiece = (bytes: Uint8Array, onWritten: () => void) => void

/** A batch slab with less room than this is replaced when it is cut, so that pieces do not become tiny. */
const MIN_BATCH_ROOM = 8 * 1024

/**
 * All bytes for the wire, in order. Small frames of all streams are copied into one batch slab and leave in one write
 * per turn of the event loop; payload that lies behind a reserved header is queued as it is. One write is in flight
 * at a time, each of one buffer: TLS would copy several together (reference/bulk-and-memory §3.2, §3.3).
 */
export class SendQueue {
  /** Not yet written, the batch included. */
  queuedBytes = 0
  /** Of this connection's life: put in, and gone out. */
  enqueuedTotal = 0
  writtenTotal = 0
  /** Where the next frame goes; `reserve` makes room. */
  batch: Slab | undefined
  position = 0
  #batchStart = 0

  readonly #write: WritePiece
  /** Called after each write, with less in the queue than before. */
  readonly #onProgress: () => void
  #isClosed = false
  #isFlushPlanned = false

  readonly #pieces = new PieceQueue()
  #writing: Slab | undefined
  #writingBytes = 0

  readonly #ledger = new Ledger()

  readonly #flush = (): void => {
    this.#isFlushPlanned = false
    this.#writeNext()
  }
  readonly #onWritten = (): void => {
    const slab = this.#writing
    if (slab === undefined) return
    this.#writing = undefined
    slab.release()
    this.queuedBytes -= this.#writingBytes
    this.writtenTotal += this.#writingBytes
    if (this.#isClosed) return
    this.#ledger.settle(this.writtenTotal)
    this.#writeNext()
    this.#onProgress()
  }

  constructor(write: WritePiece, onProgress: () => void) {
    this.#write = write
    this.#onProgress = onProgress
  }

  /** Makes sure that `bytes` (at most a small slab) fit at `batch.buffer[position]`; follow it with `commit`. */
  reserve(bytes: number): Buffer {
    if (this.batch !== undefined && this.batch.buffer.length - this.position < bytes) this.#sealBatch()
    if (this.batch === undefined) {
      this.batch = smallSlabs.acquire()
      this.position = 0
      this.#batchStart = 0
    }
    return this.batch.buffer
  }

  /** The next `bytes` of the batch have been filled. */
  commit(bytes: number): void {
    this.position += bytes
    this.queuedBytes += bytes
    this.enqueuedTotal += bytes
    if (this.#isFlushPlanned || this.#writing !== undefined || this.#isClosed) return
    this.#isFlushPlanned = true
    setImmediate(this.#flush)
  }

  /** Queues `slab.buffer[0, end)`, a whole frame, behind all that was written before. */
  appendSlab(slab: Slab, end: number): void {
    this.#cutBatch()
    slab.retain()
    this.#pieces.push(slab, 0, end)
    this.queuedBytes += end
    this.enqueuedTotal += end
  }

  /** Sends what is queued now, unless a write is in flight. */
  kick(): void {
    this.#writeNext()
  }

  /** Charges the payload just queued to its stream until it is written. */
  charge(stream: QueuedStream, bytes: number): void {
    this.#ledger.add(stream, bytes, this.enqueuedTotal)
  }

  get isIdle(): boolean {
    return this.queuedBytes === 0
  }

  /** Lets go of everything that is not in the socket's hands. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.batch?.release()
    this.batch = undefined
    this.#pieces.clear()
    this.#ledger.clear()
  }

  #writeNext(): void {
    if (this.#writing !== undefined || this.#isClosed) return
    if (this.#pieces.isEmpty) this.#cutBatch()
    const { firstStart, firstEnd } = this.#pieces
    const slab = this.#pieces.shift()
    if (slab === undefined) {
      this.#dropIdleBatch()
      return
    }
    this.#writing = slab
    this.#writingBytes = firstEnd - firstStart
    this.#write(slab.buffer.subarray(firstStart, firstEnd), this.#onWritten)
  }

  /** Ends the current piece of the batch; the slab goes on behind it when there is room enough. */
  #cutBatch(): void {
    const batch = this.batch
    if (batch === undefined || this.position === this.#batchStart) return
    batch.retain()
    this.#pieces.push(batch, this.#batchStart, this.position)
    this.#batchStart = this.position
    if (batch.buffer.length - this.position < MIN_BATCH_ROOM) this.#sealBatch()
  }

  #sealBatch(): void {
    const batch = this.batch
    if (batch === undefined) return
    if (this.position > this.#batchStart) {
      batch.retain()
      this.#pieces.push(batch, this.#batchStart, this.position)
    }
    batch.release()
    this.batch = undefined
  }

  /** An idle connection holds no slab. */
  #dropIdleBatch(): void {
    this.batch?.release()
    this.batch = undefined
  }
}

/** Largest payload that one batch slab holds behind its header. */
export const MAX_BATCH_PAYLOAD: number = smallSlabs.slabBytes - FRAME_HEADER_BYTES
