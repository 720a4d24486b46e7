import type { Slab } from './slab.ts'

/** Storage beyond this is given up when the queue runs empty. */
const MAX_IDLE_SLOTS = 1024

/**
 * Pieces of slabs that wait to be written, each with one reference of its slab. Its storage is used over and over,
 * because a list that is emptied and refilled with every write is most of the garbage of a small request.
 */
export class PieceQueue {
  #slabs: (Slab | undefined)[] = []
  #starts: number[] = []
  #ends: number[] = []
  #head = 0
  #tail = 0

  get isEmpty(): boolean {
    return this.#head === this.#tail
  }

  /** The caller's reference goes over to the queue. */
  push(slab: Slab, start: number, end: number): void {
    const at = this.#tail++
    this.#slabs[at] = slab
    this.#starts[at] = start
    this.#ends[at] = end
  }

  /** Adds bytes that lie right behind the last piece in the same slab; false when they do not. */
  growLast(slab: Slab, start: number, bytes: number): boolean {
    const last = this.#tail - 1
    if (last < this.#head || this.#slabs[last] !== slab || this.#ends[last] !== start) return false
    this.#ends[last] = start + bytes
    return true
  }

  /** The first piece's slab, undefined when empty. */
  get first(): Slab | undefined {
    return this.#slabs[this.#head]
  }

  get firstStart(): number {
    return this.#starts[this.#head] ?? 0
  }

  get firstEnd(): number {
    return this.#ends[this.#head] ?? 0
  }

  /** `bytes` of the first piece are done with. */
  cutFirst(bytes: number): void {
    this.#starts[this.#head] = this.firstStart + bytes
  }

  /** The first piece's slab, which leaves; its reference goes over to the caller. Undefined when empty. */
  shift(): Slab | undefined {
    const slab = this.first
    if (slab === undefined) return undefined
    this.#slabs[this.#head++] = undefined
    if (this.isEmpty) this.#rewind()
    return slab
  }

  /** Drops everything. */
  clear(): void {
    for (let slab = this.shift(); slab !== undefined; slab = this.shift()) slab.release()
  }

  #rewind(): void {
    this.#head = 0
    this.#tail = 0
    if (this.#slabs.length <= MAX_IDLE_SLOTS) return
    this.#slabs = []
    this.#starts = []
    this.#ends = []
  }
}
