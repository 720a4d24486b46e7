import { MeshError } from '#shared/errors'

/** Gives out numbers of a range, going round, so that a number is not used again soon after it was given back. */
export class HostNumbers {
  readonly #first: number
  readonly #last: number
  readonly #what: string
  readonly #taken = new Set<number>()
  #next: number

  /** @param what for the message when none is left */
  constructor(first: number, last: number, what: string) {
    this.#first = first
    this.#last = last
    this.#what = what
    this.#next = first
  }

  /** @throws MeshError `COMMAND_FAILED` when every number is taken */
  take(): number {
    for (let tried = this.#first; tried <= this.#last; tried++) {
      const number = this.#next
      this.#next = number === this.#last ? this.#first : number + 1
      if (this.claim(number)) return number
    }
    throw new MeshError('COMMAND_FAILED', `no address is left for ${this.#what}`)
  }

  /** Takes this very number; false when somebody has it or it is out of range. */
  claim(number: number): boolean {
    if (number < this.#first || number > this.#last || this.#taken.has(number)) return false
    this.#taken.add(number)
    return true
  }

  release(number: number): void {
    this.#taken.delete(number)
  }
}
