import { PieceQueue } from './piece-queue.ts'
import { copyBytes, type Slab } from './slab.ts'
import { smallSlabs, tinySlabs } from './slab-pool.ts'

/**
 * Copies of bytes that wait for their receiver, in order. Small pieces share slabs, so that what waits costs what it
 * holds; who feeds it bounds it.
 */
export class ByteBacklog {
  readonly #pieces = new PieceQueue()
  /** Where the next copy goes; also held here, until it is full or nothing waits. */
  #tail: Slab | undefined
  #tailPosition = 0
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const tail = this.#tailWithRoom(end - at)
      const from = this.#tailPosition
      const taken = Math.min(end - at, tail.buffer.length - from)
      copyBytes(bytes, at, at + taken, tail.buffer, from)
      at += taken
      this.#bytes += taken
      this.#tailPosition += taken
      if (this.#pieces.growLast(tail, from, taken)) continue
      tail.retain()
      this.#pieces.push(tail, from, from + taken)
    }
  }

  /**
   * Hands pieces out until `take` takes less than it is offered.
   *
   * @param take valid during the call; must not feed or clear this backlog
   * @returns whether nothing is left
   */
  drain(take: (bytes: Uint8Array, start: number, end: number) => number): boolean {
    const pieces = this.#pieces
    for (let slab = pieces.first; slab !== undefined; slab = pieces.first) {
      const { firstStart, firstEnd } = pieces
      const taken = take(slab.buffer, firstStart, firstEnd)
      this.#bytes -= taken
      if (taken < firstEnd - firstStart) {
        pieces.cutFirst(taken)
        return false
      }
      pieces.shift()?.release()
    }
    this.#dropTail()
    return true
  }

  clear(): void {
    this.#pieces.clear()
    this.#bytes = 0
    this.#dropTail()
  }

  #tailWithRoom(bytes: number): Slab {
    if (this.#tail !== undefined && this.#tailPosition === this.#tail.buffer.length) this.#dropTail()
    if (this.#tail === undefined) {
      const isLittle = this.#bytes + bytes <= tinySlabs.slabBytes
      this.#tail = (isLittle ? tinySlabs : smallSlabs).acquire()
      this.#tailPosition = 0
    }
    return this.#tail
  }

  #dropTail(): void {
    this.#tail?.release()
    this.#tail = undefined
  }
}
