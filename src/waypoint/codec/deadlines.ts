import type { Clock, Timer } from '#shared/clock'
import { Roster, type Seated } from '#shared/lifecycle'

/** Somebody who waits no longer than until a moment that changes often. */
export interface Waiting extends Seated {
  /** Monotonic; Infinity = waits for nothing. */
  deadlineMs: number
  onDeadline(): void
}

const SWEEP_MS = 1_000

/**
 * Deadlines of all connections, looked at once a second: a connection moves its own several times with each request, which
 * costs a store where timers would cost two calls.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #waiting = new Roster<Waiting>()
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  enter(waiting: Waiting): void {
    this.#waiting.add(waiting)
    this.#timer ??= this.#clock.setTimer(SWEEP_MS, () => this.#sweep())
  }

  leave(waiting: Waiting): void {
    this.#waiting.remove(waiting)
  }

  after(ms: number): number {
    return ms === 0 ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() + ms
  }

  #sweep(): void {
    this.#timer = undefined
    const nowMs = this.#clock.monotonicMs()
    for (const waiting of this.#waiting.members()) if (waiting.deadlineMs <= nowMs) waiting.onDeadline()
    if (this.#waiting.size > 0) this.#timer = this.#clock.setTimer(SWEEP_MS, () => this.#sweep())
  }
}
