import type { Clock, Timer } from '#shared/clock'

/** Time that a test turns by hand; timers fire in order of their due time, and randomness is a fixed number. */
export class FakeClock implements Clock {
  #nowMs: number
  #sequence = 0
  readonly #timers = new Map<number, { readonly dueMs: number; readonly fire: () => void }>()
  /** What `random()` gives. */
  randomValue = 0.5

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  random(): number {
    return this.randomValue
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const id = this.#sequence++
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(delayMs, 0), fire })
    return { cancel: () => void this.#timers.delete(id) }
  }

  /** Timers that have not fired. */
  get pendingTimers(): number {
    return this.#timers.size
  }

  /** Moves time on and fires what falls due, letting promises settle after each timer. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.dueMs <= untilMs)
      const next = due.sort(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b)[0]
      if (next === undefined) break
      const [id, timer] = next
      this.#timers.delete(id)
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs)
      timer.fire()
      await settle()
    }
    this.#nowMs = untilMs
    await settle()
  }
}

/** Lets everything that is already resolved run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}
