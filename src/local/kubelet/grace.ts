import type { Clock, Timer } from '#shared/clock'

/** The time that something has to end by itself: it can get shorter, never longer. */
export class Grace {
  readonly #clock: Clock
  readonly #over = new AbortController()
  #endsAtMs: number
  #timer: Timer | undefined
  #isForced = false

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#endsAtMs = Number.POSITIVE_INFINITY
    this.shorten(ms)
  }

  /** Aborts when the time is over. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** There never was any time, or what was left has been taken: nothing is to be asked politely. */
  get isForced(): boolean {
    return this.#isForced
  }

  /** To at most `ms` from now on. */
  shorten(ms: number): void {
    if (ms <= 0) this.#isForced = true
    const endsAtMs = this.#clock.monotonicMs() + ms
    if (endsAtMs >= this.#endsAtMs) return
    this.#endsAtMs = endsAtMs
    this.#timer?.cancel()
    if (ms <= 0) this.#over.abort()
    else this.#timer = this.#clock.setTimer(ms, () => this.#over.abort(), true)
  }

  /** Ends as early as another does. */
  follow(other: Grace): void {
    const end = (): void => {
      this.#isForced ||= other.isForced
      this.#timer?.cancel()
      this.#over.abort()
    }
    if (other.over.aborted) end()
    else other.over.addEventListener('abort', end, { once: true })
  }

  /** Nobody waits any more. */
  close(): void {
    this.#timer?.cancel()
  }
}
