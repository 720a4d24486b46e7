import type { Clock, Timer } from '#shared/clock'
import type { ReadinessProbe } from './probe.ts'

/**
 * Until a container has been ready once it is asked more and more slowly from this on, not only every `periodSeconds`:
 * nobody waits ten seconds for a program that starts in a tenth of one.
 */
const FIRST_ASK_MS = 20
const SLOWEST_FIRST_ASK_MS = 1_000

/** Asks a probe again and again and counts its answers against the thresholds. */
export class ReadinessWatch {
  readonly #probe: ReadinessProbe
  readonly #clock: Clock
  readonly #ask: () => Promise<string | undefined>
  readonly #changed: () => void
  #timer: Timer | undefined
  #isStopped = false
  #isReady = false
  #reason = 'not asked yet'
  #inARow = 0
  #firstAskMs: number = FIRST_ASK_MS

  constructor(probe: ReadinessProbe, clock: Clock, ask: () => Promise<string | undefined>, changed: () => void) {
    this.#probe = probe
    this.#clock = clock
    this.#ask = ask
    this.#changed = changed
    this.#timer = clock.setTimer(probe.initialDelayMs + FIRST_ASK_MS, () => void this.#round())
  }

  get isReady(): boolean {
    return this.#isReady
  }

  /** Why it is not ready; empty when it is. */
  get reason(): string {
    return this.#isReady ? '' : this.#reason
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  async #round(): Promise<void> {
    const reason = await this.#ask()
    if (this.#isStopped) return
    const wasReady = this.#isReady
    this.#count(reason)
    const hasBeenReady = this.#isReady || this.#firstAskMs === Number.POSITIVE_INFINITY
    if (this.#isReady) this.#firstAskMs = Number.POSITIVE_INFINITY
    else if (!hasBeenReady) this.#firstAskMs = Math.min(this.#firstAskMs * 1.5, SLOWEST_FIRST_ASK_MS)
    const delayMs = Math.min(this.#firstAskMs, this.#probe.periodMs)
    this.#timer = this.#clock.setTimer(delayMs, () => void this.#round())
    if (wasReady !== this.#isReady) this.#changed()
  }

  #count(reason: string | undefined): void {
    const saysReady = reason === undefined
    if (!saysReady) this.#reason = reason
    if (saysReady === this.#isReady) {
      this.#inARow = 0
      return
    }
    this.#inARow++
    const { successThreshold, failureThreshold } = this.#probe
    if (this.#inARow < (saysReady ? successThreshold : failureThreshold)) return
    this.#isReady = saysReady
    this.#inARow = 0
  }
}
