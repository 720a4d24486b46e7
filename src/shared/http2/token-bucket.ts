import type { Clock } from '#shared/clock'

/** Lets `perSecond` things through each second, and as many at once after a pause. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #perSecond: number
  #tokens: number
  #filledAtMs: number

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#tokens = perSecond
    this.#filledAtMs = clock.monotonicMs()
  }

  /** Takes one; false when there is none. The clock is read only when they run out. */
  take(): boolean {
    if (this.#tokens < 1) this.#fill()
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Gives some back, never above the burst. */
  grant(tokens: number): void {
    this.#tokens = Math.min(this.#tokens + tokens, this.#perSecond)
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs()
    const earned = ((nowMs - this.#filledAtMs) * this.#perSecond) / 1000
    this.#tokens = Math.min(this.#tokens + earned, this.#perSecond)
    this.#filledAtMs = nowMs
  }
}
