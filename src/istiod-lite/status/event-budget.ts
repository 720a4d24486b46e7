import type { Clock } from '#shared/clock'

const WINDOW_MS = 60_000
/** Of one object: what flaps is told a few times, not for ever. */
const PER_OBJECT = 10
const OF_ALL = 300

/** How many events may be told in a minute. */
export class EventBudget {
  readonly #clock: Clock
  /** Holds no more objects than events may be told. */
  readonly #taken = new Map<string, number>()
  #sinceMs: number
  #total = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  /** @returns false when there have been enough, of this object or of all */
  take(object: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      this.#sinceMs = nowMs
      this.#total = 0
      this.#taken.clear()
    }
    const taken = this.#taken.get(object) ?? 0
    if (this.#total >= OF_ALL || taken >= PER_OBJECT) return false
    this.#total++
    this.#taken.set(object, taken + 1)
    return true
  }
}
