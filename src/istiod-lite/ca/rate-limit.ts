import type { Clock } from '#shared/clock'

export interface RateSettings {
  /** Calls that one caller may make at once: a node that starts asks for all its accounts. */
  readonly burst: number
  readonly perSecond: number
}

/** Callers that are remembered; the one that called longest ago is forgotten first. */
const MAX_CALLERS = 10_000

/** A token bucket for each caller. */
export class RateLimit {
  readonly #clock: Clock
  readonly #settings: RateSettings
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>()

  constructor(clock: Clock, settings: RateSettings) {
    this.#clock = clock
    this.#settings = settings
  }

  /** @returns false when the caller has to wait */
  take(caller: string): boolean {
    const { burst, perSecond } = this.#settings
    const nowMs = this.#clock.monotonicMs()
    const bucket = this.#buckets.get(caller) ?? { tokens: burst, atMs: nowMs }
    const tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * perSecond)
    const isFree = tokens >= 1
    this.#buckets.delete(caller)
    this.#buckets.set(caller, { tokens: isFree ? tokens - 1 : tokens, atMs: nowMs })
    const [oldest] = this.#buckets.keys()
    if (this.#buckets.size > MAX_CALLERS && oldest !== undefined) this.#buckets.delete(oldest)
    return isFree
  }
}
