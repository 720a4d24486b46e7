import { Backoff, type Clock, type Timer } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'

export interface WorkQueueSettings {
  readonly clock: Clock
  /** Different keys at the same time; one key never runs twice at once. */
  readonly parallel: number
  /** @returns ms until the key shall be looked at again, or undefined: only when it is added */
  readonly handle: (key: string) => Promise<number | undefined>
  readonly failed: (key: string, error: unknown) => void
}

const RETRY = { firstMs: 10, maxMs: 30_000, jitter: 0.2 }

/**
 * Keys to look at, each once however often it was added (so its length is at most the number of objects). A key that is
 * added while it runs, runs once more; one that fails is tried again with growing delays.
 */
export class WorkQueue implements Closer {
  readonly #settings: WorkQueueSettings
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #timers = new Map<string, { readonly timer: Timer; readonly dueMs: number }>()
  readonly #backoffs = new Map<string, Backoff>()
  #isClosed = false

  constructor(settings: WorkQueueSettings) {
    this.#settings = settings
  }

  add(key: string): void {
    if (this.#isClosed) return
    this.#waiting.add(key)
    this.#fill()
  }

  /** The earliest of several wins. */
  addAfter(key: string, delayMs: number): void {
    if (this.#isClosed) return
    const { clock } = this.#settings
    const dueMs = clock.monotonicMs() + delayMs
    const set = this.#timers.get(key)
    if (set !== undefined && set.dueMs <= dueMs) return
    set?.timer.cancel()
    const timer = clock.setTimer(delayMs, () => {
      this.#timers.delete(key)
      this.add(key)
    })
    this.#timers.set(key, { timer, dueMs })
  }

  /** Starts nothing more; resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { timer } of this.#timers.values()) timer.cancel()
    this.#timers.clear()
    this.#waiting.clear()
    await Promise.all(this.#running.values())
  }

  #fill(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#settings.parallel) return
      if (this.#running.has(key)) continue
      this.#waiting.delete(key)
      this.#running.set(key, this.#run(key))
    }
  }

  async #run(key: string): Promise<void> {
    const { handle, failed } = this.#settings
    // Out of the way of whoever added the key: a watch's listener.
    await Promise.resolve()
    try {
      const againMs = await handle(key)
      this.#backoffs.delete(key)
      if (againMs !== undefined) this.addAfter(key, againMs)
    } catch (error) {
      failed(key, error)
      this.addAfter(key, this.#backoffOf(key).next())
    }
    this.#running.delete(key)
    if (!this.#isClosed) this.#fill()
  }

  #backoffOf(key: string): Backoff {
    const backoff = this.#backoffs.get(key) ?? new Backoff(this.#settings.clock, RETRY)
    this.#backoffs.set(key, backoff)
    return backoff
  }
}
