import type { Clock, Timer } from '#shared/clock'
import type { ConnectionPool } from '#shared/l7'
import type { ByteChannel, ByteReceiver } from '#shared/net'

/** A connection of opaque bytes, under the policy's times and counted until it is gone. */
export class ByteConnection implements ByteChannel, ByteReceiver {
  readonly #channel: ByteChannel
  readonly #clock: Clock
  readonly #onGone: () => void
  #receiver: ByteReceiver | undefined
  #lastUsedMs: number
  #idleTimer: Timer | undefined
  readonly #ageTimer: Timer | undefined
  #isGone = false

  constructor(
    channel: ByteChannel,
    { tcpIdleTimeoutMs, maxConnectionAgeMs }: ConnectionPool,
    clock: Clock,
    onGone: () => void,
  ) {
    this.#channel = channel
    this.#clock = clock
    this.#onGone = onGone
    this.#lastUsedMs = clock.monotonicMs()
    this.#watchIdleness(tcpIdleTimeoutMs, tcpIdleTimeoutMs)
    if (maxConnectionAgeMs !== undefined) this.#ageTimer = clock.setTimer(maxConnectionAgeMs, () => this.destroy())
  }

  start(receiver: ByteReceiver): void {
    this.#receiver = receiver
    this.#channel.start(this)
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.#lastUsedMs = this.#clock.monotonicMs()
    this.#channel.write(bytes, start, end)
  }

  get isCongested(): boolean {
    return this.#channel.isCongested
  }

  consumed(bytes: number): void {
    this.#channel.consumed(bytes)
  }

  end(): void {
    this.#channel.end()
  }

  destroy(): void {
    this.#channel.destroy()
    this.#gone()
  }

  get isClosed(): boolean {
    return this.#channel.isClosed
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#lastUsedMs = this.#clock.monotonicMs()
    this.#receiver?.onBytes(bytes, start, end)
  }

  onEnd(): void {
    this.#receiver?.onEnd()
  }

  onWritable(): void {
    this.#receiver?.onWritable()
  }

  onClosed(error: Error | undefined): void {
    this.#gone()
    this.#receiver?.onClosed(error)
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#idleTimer?.cancel()
    this.#ageTimer?.cancel()
    this.#onGone()
  }

  /** One timer, set again for what is left; 0 = no bound. */
  #watchIdleness(idleTimeoutMs: number, afterMs: number): void {
    if (idleTimeoutMs === 0) return
    this.#idleTimer = this.#clock.setTimer(afterMs, () => {
      const idleMs = this.#clock.monotonicMs() - this.#lastUsedMs
      if (idleMs >= idleTimeoutMs) this.destroy()
      else this.#watchIdleness(idleTimeoutMs, idleTimeoutMs - idleMs)
    })
  }
}
