import type { Clock, Timer } from '#shared/clock'

/** A PING every so often; a peer that does not answer in time is taken for dead. */
export class Keepalive {
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #timeoutMs: number
  readonly #ping: () => void
  readonly #onDead: () => void
  #timer: Timer | undefined

  /** @param intervalMs 0 = never ping */
  constructor(clock: Clock, intervalMs: number, timeoutMs: number, ping: () => void, onDead: () => void) {
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#timeoutMs = timeoutMs
    this.#ping = ping
    this.#onDead = onDead
  }

  start(): void {
    if (this.#intervalMs === 0) return
    this.#timer = this.#clock.setTimer(this.#intervalMs, () => {
      this.#timer = this.#clock.setTimer(this.#timeoutMs, this.#onDead)
      this.#ping()
    })
  }

  /** The answer came: the next interval begins. */
  onAck(): void {
    this.stop()
    this.start()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
