import type { Clock } from '#shared/clock'

/** Lets one loop sleep until it is woken or a time has passed; a wake that comes before the sleep is not lost. */
export class Wake {
  readonly #clock: Clock
  #isPending = false
  #resume: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  wake(): void {
    this.#isPending = true
    this.#resume?.()
  }

  /** Resolves at the next wake, or after `timeoutMs`. One call at a time. */
  async sleep(timeoutMs: number): Promise<void> {
    if (!this.#isPending) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(timeoutMs, resolve)
        this.#resume = () => {
          timer.cancel()
          resolve()
        }
      })
      this.#resume = undefined
    }
    this.#isPending = false
  }
}
