/**
 * Counts the work of CEL rules. An expression that came from a user must end soon whatever it says: `all` within `all`
 * within `all` over long lists would otherwise hold the whole server.
 */
export class Meter {
  readonly #units: number
  #spent = 0

  /** @param units about one evaluated node of an expression each */
  constructor(units: number) {
    this.#units = units
  }

  get spent(): number {
    return this.#spent
  }

  get isExhausted(): boolean {
    return this.#spent > this.#units
  }

  /** @throws Error when the budget is used up, and then at each call, so that no `||` or `all` swallows the end */
  spend(units: number): void {
    this.#spent += units
    if (this.#spent > this.#units) throw new Error('call cost exceeds limit')
  }

  /** Counts a value that an operation made: a text by its length, a list by its items. */
  spendOn(value: unknown): void {
    if (typeof value === 'string') this.spend(value.length / CHARACTERS_PER_UNIT)
    else if (Array.isArray(value)) this.spend(value.length)
    else if (value instanceof Map) this.spend(value.size)
  }
}

const CHARACTERS_PER_UNIT = 10
