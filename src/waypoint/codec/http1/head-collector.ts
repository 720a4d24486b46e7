import { Malformed } from './malformed.ts'
import { LF } from './octets.ts'
import type { HeadScan } from './scan-head.ts'

/** Up to here a head that comes in pieces is looked at with each of them. */
const SMALL_BYTES = 1024

/**
 * A head that comes in several reads. It is scanned from its beginning again when that can tell something new: with each read
 * while it is small, then with each end of a line, of which a head has a bounded number.
 */
export class HeadCollector {
  readonly #maxBytes: number
  readonly #state: HeadScan
  #held: Buffer | undefined

  /** @param state what the scan that is handed to `collect` writes into */
  constructor(maxBytes: number, state: HeadScan) {
    this.#maxBytes = maxBytes
    this.#state = state
  }

  get isEmpty(): boolean {
    return this.#held === undefined
  }

  /**
   * Looks for a head in what came before and `bytes[start, end)`.
   *
   * @param scan as `scanRequest`
   * @param take is handed the buffer that holds a whole head, in the same turn
   * @returns where in `bytes` the head ended, or -1: kept, more is needed
   * @throws Malformed of `scan`, and when the head is too long: 414 for its first line alone, else 431
   */
  collect(
    bytes: Buffer,
    start: number,
    end: number,
    scan: (bytes: Buffer, from: number, end: number) => number,
    take: (bytes: Buffer) => void,
  ): number {
    const held = this.#held
    if (held === undefined) {
      const ended = scan(bytes, start, end)
      this.#check(ended < 0 ? end - start : ended - start)
      if (ended < 0) {
        this.#held = Buffer.from(bytes.subarray(start, end))
        return -1
      }
      take(bytes)
      return ended
    }
    // No more than what may belong to a head, and the octet that makes it too long.
    const taken = Math.min(end - start, this.#maxBytes + 1 - held.length)
    const all = Buffer.concat([held, bytes.subarray(start, start + taken)])
    const isWorthIt = all.length <= SMALL_BYTES || all.length > this.#maxBytes || all.subarray(held.length).includes(LF)
    const ended = isWorthIt ? scan(all, 0, all.length) : -1
    this.#check(ended < 0 ? all.length : ended)
    if (ended < 0) {
      this.#held = all
      return -1
    }
    this.#held = undefined
    take(all)
    return start + ended - held.length
  }

  #check(bytes: number): void {
    if (bytes <= this.#maxBytes) return
    if (this.#state.firstLineBytes > this.#maxBytes) throw new Malformed('the first line is too long', 414)
    throw new Malformed('the head is too long', 431)
  }
}
