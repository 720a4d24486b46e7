import type { Clock } from './clock.ts'

export interface BackoffSettings {
  readonly firstMs: number
  readonly maxMs: number
  /** Each delay is spread evenly over ± this part of itself; 0 to 1. */
  readonly jitter: number
}

/** Delays that double from `firstMs` to `maxMs`, with jitter, until a success resets them. */
export class Backoff {
  readonly #settings: BackoffSettings
  readonly #clock: Clock
  #nextMs: number

  constructor(clock: Clock, settings: BackoffSettings) {
    this.#clock = clock
    this.#settings = settings
    this.#nextMs = settings.firstMs
  }

  /** The delay before the next try, in ms. */
  next(): number {
    const baseMs = this.#nextMs
    this.#nextMs = Math.min(baseMs * 2, this.#settings.maxMs)
    return baseMs * (1 + this.#settings.jitter * (2 * this.#clock.random() - 1))
  }

  reset(): void {
    this.#nextMs = this.#settings.firstMs
  }
}
