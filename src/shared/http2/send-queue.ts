import { type Slab, smallSlabs } from '#shared/net'
import { FRAME_HEADER_BYTES } from './types.ts'

/** Who is told that its bytes have left the queue. */
export interface QueuedStream {
  queuedBytes: number
}

/** Writes one piece to the socket and calls `onWritten` when the kernel (or TLS) has taken it. */
export type WritePiece = (bytes: Uint8Array, onWritten: () => void) => void

/** A batch slab with less room than this is replaced when it is cut, so that pieces do not become tiny. */
const MIN_BATCH_ROOM = 8 * 1024

/** Finished ledger entries that are cleared away at once. */
const LEDGER_SWEEP = 256

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

  /** Flat triples: slab, start, end. */
  #pieces: (Slab | number)[] = []
  #nextPiece = 0
  #writing: Slab | undefined
  #writingBytes = 0

  /** Whose DATA is queued up to which total, oldest first. */
  #ledgerStreams: QueuedStream[] = []
  #ledgerTotals: number[] = []
  #ledgerBytes: number[] = []
  #ledgerHead = 0

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
    this.#settleLedger()
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
    stream.queuedBytes += bytes
    this.#ledgerStreams.push(stream)
    this.#ledgerTotals.push(this.enqueuedTotal)
    this.#ledgerBytes.push(bytes)
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
    for (let i = this.#nextPiece; i < this.#pieces.length; i += 3) (this.#pieces[i] as Slab).release()
    this.#pieces = []
    this.#nextPiece = 0
    this.#ledgerStreams = []
    this.#ledgerTotals = []
    this.#ledgerBytes = []
    this.#ledgerHead = 0
  }

  #writeNext(): void {
    if (this.#writing !== undefined || this.#isClosed) return
    if (this.#nextPiece === this.#pieces.length) {
      this.#pieces.length = 0
      this.#nextPiece = 0
      this.#cutBatch()
      if (this.#pieces.length === 0) {
        this.#dropIdleBatch()
        return
      }
    }
    const slab = this.#pieces[this.#nextPiece] as Slab
    const start = this.#pieces[this.#nextPiece + 1] as number
    const end = this.#pieces[this.#nextPiece + 2] as number
    this.#nextPiece += 3
    this.#writing = slab
    this.#writingBytes = end - start
    this.#write(slab.buffer.subarray(start, end), this.#onWritten)
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

  #settleLedger(): void {
    let head = this.#ledgerHead
    const totals = this.#ledgerTotals
    while (head < totals.length && totals[head]! <= this.writtenTotal) {
      this.#ledgerStreams[head]!.queuedBytes -= this.#ledgerBytes[head]!
      head++
    }
    if (head === totals.length) {
      this.#ledgerStreams.length = 0
      this.#ledgerTotals.length = 0
      this.#ledgerBytes.length = 0
      head = 0
    } else if (head >= LEDGER_SWEEP) {
      this.#ledgerStreams.splice(0, head)
      this.#ledgerTotals.splice(0, head)
      this.#ledgerBytes.splice(0, head)
      head = 0
    }
    this.#ledgerHead = head
  }
}

/** Largest payload that one batch slab holds behind its header. */
export const MAX_BATCH_PAYLOAD: number = smallSlabs.slabBytes - FRAME_HEADER_BYTES
