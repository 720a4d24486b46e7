import type { Slab } from './slab.ts'

/** Storage beyond this is given up when the queue runs empty. */
const MAX_IDLE_SLOTS = 1024

/**
 * Pieces of slabs that wait to be written, each with one reference of its slab.
 *
 * Most queues never hold more than one piece: it stands in the queue itself, and only others need a list.
 */
export class PieceQueue {
  /** Undefined = empty. */
  #first: Slab | undefined
  #firstStart = 0
  #firstEnd = 0
  #rest: PieceList | undefined

  get isEmpty(): boolean {
    return this.#first === undefined
  }

  /** The caller's reference goes over to the queue. */
  push(slab: Slab, start: number, end: number): void {
    if (this.#first === undefined) {
      this.#first = slab
      this.#firstStart = start
      this.#firstEnd = end
      return
    }
    this.#rest ??= new PieceList()
    this.#rest.push(slab, start, end)
  }

  /** Adds bytes that lie right behind the last piece in the same slab; false when they do not. */
  growLast(slab: Slab, start: number, bytes: number): boolean {
    if (this.#rest?.isEmpty === false) return this.#rest.growLast(slab, start, bytes)
    if (this.#first !== slab || this.#firstEnd !== start) return false
    this.#firstEnd += bytes
    return true
  }

  /** The first piece's slab, undefined when empty. */
  get first(): Slab | undefined {
    return this.#first
  }

  get firstStart(): number {
    return this.#firstStart
  }

  get firstEnd(): number {
    return this.#firstEnd
  }

  /** `bytes` of the first piece are done with. */
  cutFirst(bytes: number): void {
    this.#firstStart += bytes
  }

  /** The first piece's slab, which leaves; its reference goes over to the caller. Undefined when empty. */
  shift(): Slab | undefined {
    const slab = this.#first
    const rest = this.#rest
    if (rest === undefined || rest.isEmpty) {
      this.#first = undefined
      return slab
    }
    this.#firstStart = rest.firstStart
    this.#firstEnd = rest.firstEnd
    this.#first = rest.shift()
    return slab
  }

  /** Drops everything. */
  clear(): void {
    for (let slab = this.shift(); slab !== undefined; slab = this.shift()) slab.release()
  }
}

/** Its storage is used over and over: a list that is made anew with every write is most of a small request's garbage. */
class PieceList {
  #slabs: (Slab | undefined)[] = []
  #starts: number[] = []
  #ends: number[] = []
  #head = 0
  #tail = 0

  get isEmpty(): boolean {
    return this.#head === this.#tail
  }

  push(slab: Slab, start: number, end: number): void {
    const at = this.#tail++
    this.#slabs[at] = slab
    this.#starts[at] = start
    this.#ends[at] = end
  }

  growLast(slab: Slab, start: number, bytes: number): boolean {
    const last = this.#tail - 1
    if (this.#slabs[last] !== slab || this.#ends[last] !== start) return false
    this.#ends[last] = start + bytes
    return true
  }

  get firstStart(): number {
    return this.#starts[this.#head] ?? 0
  }

  get firstEnd(): number {
    return this.#ends[this.#head] ?? 0
  }

  shift(): Slab | undefined {
    const slab = this.#slabs[this.#head]
    this.#slabs[this.#head++] = undefined
    if (this.isEmpty) this.#rewind()
    return slab
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
