import type { Clock } from '#shared/clock'

/** How far wall clock and steady clock may part before the stamp follows the wall clock again. */
const MAX_DRIFT_MS = 2

/** RFC 3339 stamps in UTC with µs: the wall clock, refined by the steady one because Node's wall clock counts whole ms. */
export class TimeStamp {
  readonly #clock: Clock
  #offsetMs: number
  #second = Number.NaN
  #prefix = ''

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offsetMs = clock.nowMs() - clock.monotonicMs()
  }

  now(): string {
    const wallMs = this.#clock.nowMs()
    let ms = this.#clock.monotonicMs() + this.#offsetMs
    if (Math.abs(ms - wallMs) > MAX_DRIFT_MS) {
      ms = wallMs
      this.#offsetMs = wallMs - this.#clock.monotonicMs()
    }
    const second = Math.floor(ms / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#prefix = new Date(second * 1000).toISOString().slice(0, 19)
    }
    const micros = Math.min(999_999, Math.max(0, Math.floor((ms - second * 1000) * 1000)))
    return `${this.#prefix}.${String(micros).padStart(6, '0')}Z`
  }
}
