import type { Stream } from './stream.ts'

/** Slots of a fresh table; a power of two, as every size of it. */
const FIRST_SLOTS = 16

/**
 * The open streams of a connection by id: open addressing over one array that is used again and again. A `Map` would be
 * made anew for every few dozen streams, and what it leaves behind keeps streams that have ended (`Roster` says how).
 */
export class StreamTable {
  #slots: (Stream | undefined)[] = new Array(FIRST_SLOTS).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): Stream | undefined {
    return this.#slots[this.#find(id)]
  }

  /** @param stream none of its id is here */
  add(stream: Stream): void {
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    this.#slots[this.#find(stream.id)] = stream
    this.#size++
  }

  delete(id: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = this.#find(id)
    if (slots[hole] === undefined) return
    this.#size--
    // Whoever was pushed past the hole moves back, or would not be found behind it.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at]
      if (stream === undefined) break
      const distance = (at - homeOf(stream.id, mask)) & mask
      if (distance < ((at - hole) & mask)) continue
      slots[hole] = stream
      hole = at
    }
    slots[hole] = undefined
  }

  /** In no order; a copy, so that streams may end while it is walked. */
  streams(): Stream[] {
    return this.#slots.filter((stream) => stream !== undefined)
  }

  /** Where the stream is, or the empty slot where it would be. */
  #find(id: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = homeOf(id, mask)
    for (let stream = slots[at]; stream !== undefined && stream.id !== id; stream = slots[at]) at = (at + 1) & mask
    return at
  }

  #grow(): void {
    const streams = this.streams()
    this.#slots = new Array(this.#slots.length * 2).fill(undefined)
    for (const stream of streams) this.#slots[this.#find(stream.id)] = stream
  }
}

/** Ids of one side are every second number (RFC 9113 §5.1.1). */
function homeOf(id: number, mask: number): number {
  return (id >>> 1) & mask
}
