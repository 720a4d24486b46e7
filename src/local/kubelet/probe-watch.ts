import type { Clock, Timer } from '#shared/clock'
import type { ProbePlan } from '../pod-plan/index.ts'
import { countAnswer, firstCount, type ProbeCount, type ProbeResult } from './probe-count.ts'

export interface ProbeWatchSettings {
  readonly plan: Omit<ProbePlan, 'check' | 'graceMs'>
  readonly clock: Clock
  readonly first: ProbeResult
  /**
   * Until it has succeeded once it is asked between its periods as well, more and more slowly: nobody waits ten seconds
   * for a program that starts in a tenth of one. A failure counts only once a period.
   */
  readonly isEager: boolean
  /** @returns why not, undefined for yes; soon after the signal aborts in any case */
  readonly ask: (signal: AbortSignal) => Promise<string | undefined>
  /** `result` is another. */
  readonly changed: () => void
  /** A failure that counts. */
  readonly failed?: (reason: string) => void
}

const FIRST_ASK_MS = 20
const SLOWEST_EAGER_ASK_MS = 1_000

/** Asks a probe again and again and counts its answers against the thresholds. */
export class ProbeWatch {
  readonly #settings: ProbeWatchSettings
  #isStopped = false
  #timer: Timer
  #asking: AbortController | undefined
  #count: ProbeCount
  #isEager: boolean
  #reason = 'not asked yet'
  #eagerAskMs: number = FIRST_ASK_MS
  /** From when the next failure counts while it is eager. */
  #nextCountedMs: number

  constructor(settings: ProbeWatchSettings) {
    const { plan, clock, first, isEager } = settings
    this.#settings = settings
    this.#count = firstCount(first)
    this.#isEager = isEager
    const firstAskMs = plan.initialDelayMs + FIRST_ASK_MS
    this.#nextCountedMs = clock.monotonicMs() + firstAskMs + plan.periodMs
    this.#timer = clock.setTimer(firstAskMs, () => void this.#round())
  }

  get result(): ProbeResult {
    return this.#count.result
  }

  /** What it failed with last; empty when its result is success. */
  get reason(): string {
    return this.result === 'success' ? '' : this.#reason
  }

  stop(): void {
    this.#isStopped = true
    this.#asking?.abort()
    this.#timer.cancel()
  }

  async #round(): Promise<void> {
    const { plan, clock, changed, failed } = this.#settings
    const askedMs = clock.monotonicMs()
    const reason = await this.#askInTime()
    if (this.#isStopped) return
    const before = this.result
    const isCounted = !this.#isEager || askedMs >= this.#nextCountedMs
    if (isCounted) this.#nextCountedMs = askedMs + plan.periodMs
    if (reason === undefined || isCounted) this.#count = countAnswer(this.#count, reason === undefined, plan)
    if (reason !== undefined) this.#reason = reason
    if (this.result === 'success') this.#isEager = false
    this.#askAgain()
    if (reason !== undefined && isCounted) failed?.(reason)
    if (before !== this.result) changed()
  }

  #askAgain(): void {
    const { plan, clock } = this.#settings
    if (this.#isEager) this.#eagerAskMs = Math.min(this.#eagerAskMs * 1.5, SLOWEST_EAGER_ASK_MS)
    const toCountedMs = Math.max(0, this.#nextCountedMs - clock.monotonicMs())
    const delayMs = this.#isEager ? Math.min(this.#eagerAskMs, toCountedMs) : plan.periodMs
    this.#timer = clock.setTimer(delayMs, () => void this.#round())
  }

  async #askInTime(): Promise<string | undefined> {
    const { plan, clock, ask } = this.#settings
    const asking = new AbortController()
    this.#asking = asking
    const timer = clock.setTimer(plan.timeoutMs, () => asking.abort())
    try {
      return await ask(asking.signal)
    } finally {
      timer.cancel()
    }
  }
}
