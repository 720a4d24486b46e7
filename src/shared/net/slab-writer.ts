import type { Socket } from 'node:net'
import { PieceQueue } from './piece-queue.ts'
import { copyBytes, type Slab } from './slab.ts'
import { smallSlabs, tinySlabs } from './slab-pool.ts'

/**
 * A piece smaller than this part of its slab is copied while the socket is behind: else a slow reader could pin a whole
 * slab with each byte.
 */
const MIN_SHARE = 1 / 4

/** Who is told of bytes when the kernel has taken them. */
export interface TakenListener {
  onTaken(bytes: number): void
}

/**
 * Writes pieces of slabs to one socket, in order, one write in flight. What cannot be written yet waits here; who feeds
 * it bounds that, by flow-control windows or by looking at `pendingBytes`.
 */
export class SlabWriter {
  readonly #listener: TakenListener
  #socket: Socket | undefined
  readonly #queue = new PieceQueue()
  #writing: Slab | undefined
  #writingBytes = 0
  #ending: 'none' | 'fin' | 'destroy' = 'none'
  #isDiscarding = false
  /** Where small pieces are copied to. */
  #tail: Slab | undefined
  #tailPosition = 0
  /** Taken over and not yet in the kernel's hands. */
  pendingBytes = 0

  readonly #onWritten = (): void => {
    const bytes = this.#writingBytes
    this.#writing?.release()
    this.#writing = undefined
    this.#writingBytes = 0
    this.pendingBytes -= bytes
    if (!this.#isDiscarding) this.#next()
    if (this.pendingBytes === 0) this.#dropTail()
    this.#listener.onTaken(bytes)
  }

  constructor(listener: TakenListener) {
    this.#listener = listener
  }

  /** Begins to write to `socket` what has come so far. */
  attach(socket: Socket): void {
    this.#socket = socket
    this.#next()
  }

  /** Writes `slab.buffer[start, end)`; retains the slab as long as it must. */
  write(slab: Slab, start: number, end: number): void {
    if (this.#isDiscarding) return
    if (this.#isBehind && end - start < slab.buffer.length * MIN_SHARE) {
      this.writeCopy(slab.buffer, start, end)
      return
    }
    slab.retain()
    this.#push(slab, start, end)
  }

  /** Writes a copy of `bytes[start, end)`. */
  writeCopy(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isDiscarding) return
    for (let at = start; at < end; ) {
      const tail = this.#tailWithRoom(end - at)
      const taken = Math.min(end - at, tail.buffer.length - this.#tailPosition)
      const from = this.#tailPosition
      copyBytes(bytes, at, at + taken, tail.buffer, from)
      this.#tailPosition += taken
      at += taken
      if (this.#queue.growLast(tail, from, taken)) {
        this.pendingBytes += taken
        continue
      }
      tail.retain()
      this.#push(tail, from, from + taken)
    }
  }

  /** FIN, behind what is pending. */
  end(): void {
    if (this.#ending === 'none') this.#ending = 'fin'
    if (this.#socket !== undefined && this.#writing === undefined) this.#next()
  }

  /** As `end`, and the socket is closed both ways as soon as the FIN has left. */
  endThenDestroy(): void {
    this.#ending = 'destroy'
    if (this.#socket !== undefined && this.#writing === undefined) this.#next()
  }

  /** Drops what is pending; its bytes are never reported. */
  discard(): void {
    if (this.#isDiscarding) return
    this.#isDiscarding = true
    this.#queue.clear()
    this.pendingBytes = this.#writingBytes
    this.#dropTail()
  }

  get #isBehind(): boolean {
    return this.#writing !== undefined || this.#socket === undefined
  }

  /** Takes over a reference of `slab`. */
  #push(slab: Slab, start: number, end: number): void {
    this.pendingBytes += end - start
    if (this.#isBehind) this.#queue.push(slab, start, end)
    else this.#writeNow(slab, start, end)
  }

  #next(): void {
    const { firstStart, firstEnd } = this.#queue
    const slab = this.#queue.shift()
    if (slab !== undefined) this.#writeNow(slab, firstStart, firstEnd)
    else if (this.#ending === 'fin') this.#socket?.end()
    else if (this.#ending === 'destroy') this.#socket?.destroySoon()
  }

  #writeNow(slab: Slab, start: number, end: number): void {
    this.#writing = slab
    this.#writingBytes = end - start
    this.#socket?.write(slab.buffer.subarray(start, end), this.#onWritten)
  }

  #tailWithRoom(bytes: number): Slab {
    if (this.#tail !== undefined && this.#tailPosition === this.#tail.buffer.length) this.#dropTail()
    if (this.#tail === undefined) {
      // The first copies of a socket that is behind go to a tiny one: little that waits must not pin much.
      const isFirst = this.#isBehind && this.pendingBytes - this.#writingBytes < tinySlabs.slabBytes
      this.#tail = (isFirst && bytes <= tinySlabs.slabBytes ? tinySlabs : smallSlabs).acquire()
      this.#tailPosition = 0
    }
    return this.#tail
  }

  #dropTail(): void {
    this.#tail?.release()
    this.#tail = undefined
  }
}
