import type { Clock, Timer } from '#shared/clock'
import { rpcCodes } from './rpc.ts'
import { StatusError } from './rpc-server.ts'

export interface StreamGateSettings {
  /** New streams that are let in a second, in the long run. */
  readonly perSecond: number
  /** Let in at once after a quiet time. */
  readonly burst: number
  /** Who would have to wait longer is sent away and comes back later. */
  readonly longestWaitMs: number
}

interface Waiter {
  readonly isThere: () => boolean
  readonly enter: () => void
}

/**
 * Lets new streams in one after the other, at a bounded rate: when a control plane comes back, all clients are there at
 * once, and each costs a look at its token, a comparison with everything, and an answer. Who waits costs a socket.
 */
export class StreamGate {
  readonly #settings: StreamGateSettings
  readonly #clock: Clock
  readonly #queue: Waiter[] = []
  #tokens: number
  #filledAtMs: number
  #timer: Timer | undefined

  constructor(settings: StreamGateSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.#tokens = settings.burst
    this.#filledAtMs = clock.monotonicMs()
  }

  get waiting(): number {
    return this.#queue.length
  }

  /**
   * Resolves when it is the stream's turn.
   *
   * @param isThere false once the caller has gone: its turn is the next one's then
   * @throws StatusError UNAVAILABLE when the wait would be too long
   */
  enter(isThere: () => boolean): Promise<void> {
    const { perSecond, longestWaitMs } = this.#settings
    this.#fill()
    if (this.#queue.length === 0 && this.#tokens >= 1) {
      this.#tokens--
      return Promise.resolve()
    }
    if (this.#queue.length >= (longestWaitMs / 1_000) * perSecond)
      return Promise.reject(
        new StatusError({ code: rpcCodes.unavailable, message: 'too many clients come at once: try again later' }),
      )
    return new Promise((resolve) => {
      this.#queue.push({ isThere, enter: resolve })
      this.#schedule()
    })
  }

  /** Who waits is let in, to be told that it is over. */
  close(): void {
    this.#timer?.cancel()
    for (const { enter } of this.#queue.splice(0)) enter()
  }

  #fill(): void {
    const { perSecond, burst } = this.#settings
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1_000) * perSecond)
    this.#filledAtMs = nowMs
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#queue.length === 0) return
    const waitMs = ((1 - Math.min(1, this.#tokens)) / this.#settings.perSecond) * 1_000
    this.#timer = this.#clock.setTimer(Math.ceil(waitMs), () => {
      this.#timer = undefined
      this.#fill()
      this.#letIn()
      this.#schedule()
    })
  }

  #letIn(): void {
    while (this.#tokens >= 1) {
      const next = this.#queue.shift()
      if (next === undefined) return
      if (!next.isThere()) continue
      this.#tokens--
      next.enter()
    }
  }
}
