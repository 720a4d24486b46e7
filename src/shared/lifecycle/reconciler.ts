import { Backoff, type Clock, type Timer } from '#shared/clock'
import type { Closer } from './closer.ts'

export interface ReconcilerSettings {
  readonly clock: Clock
  /** Makes what is so what shall be so, of one key; may find that there is nothing to do. */
  readonly reconcile: (key: string) => Promise<void>
  /** Told each time that `reconcile` rejects; it is tried again. */
  readonly onFailure: (key: string, error: unknown) => void
  /** Keys that are worked on at once. */
  readonly concurrency: number
  readonly firstRetryMs: number
  readonly maxRetryMs: number
}

/**
 * Works through keys that have changed: never two runs of one key at once, a key that changes during its run is run once
 * more, and one that fails waits longer each time and holds up no other.
 */
export class Reconciler implements Closer {
  readonly #settings: ReconcilerSettings
  /** In the order in which they were asked for. */
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #retries = new Map<string, { readonly backoff: Backoff; timer: Timer | undefined }>()
  #isClosed = false

  constructor(settings: ReconcilerSettings) {
    this.#settings = settings
  }

  /** Something about this key may be different now. */
  ask(key: string): void {
    if (this.#isClosed) return
    this.#retries.get(key)?.timer?.cancel()
    this.#waiting.add(key)
    this.#pump()
  }

  /** Waits for what is running; what waits is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#waiting.clear()
    for (const { timer } of this.#retries.values()) timer?.cancel()
    await Promise.all(this.#running.values())
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#settings.concurrency) return
      if (this.#running.has(key)) continue
      this.#waiting.delete(key)
      this.#running.set(key, this.#run(key))
    }
  }

  /** Never rejects. */
  async #run(key: string): Promise<void> {
    try {
      await this.#settings.reconcile(key)
      this.#retries.delete(key)
    } catch (error) {
      if (!this.#isClosed) {
        this.#settings.onFailure(key, error)
        this.#later(key)
      }
    }
    this.#running.delete(key)
    if (!this.#isClosed) this.#pump()
  }

  #later(key: string): void {
    const { clock, firstRetryMs, maxRetryMs } = this.#settings
    const retry = this.#retries.get(key) ?? {
      backoff: new Backoff(clock, { firstMs: firstRetryMs, maxMs: maxRetryMs, jitter: 0.2 }),
      timer: undefined,
    }
    this.#retries.set(key, retry)
    retry.timer = clock.setTimer(retry.backoff.next(), () => this.ask(key))
  }
}
