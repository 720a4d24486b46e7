import type { Clock, Timer } from '#shared/clock'
import type { ConnectionPool } from '#shared/l7'
import type { HttpClientConnection, RequestHead, UpstreamExchange } from '../codec/index.ts'

/** One connection of a pool: what the policy lets it do, and for how long. */
export class PooledClient {
  readonly #connection: HttpClientConnection
  readonly #policy: ConnectionPool
  readonly #clock: Clock
  #sentCount = 0
  #isRetired = false
  #isGone = false
  #idleSinceMs: number
  #idleTimer: Timer | undefined
  #ageTimer: Timer | undefined
  /** There is room again. */
  onRoom: (() => void) | undefined
  /** Called once: no more requests begin here. */
  onRetired: (() => void) | undefined
  /** Called once: it is gone. */
  onClosed: (() => void) | undefined

  constructor(connection: HttpClientConnection, policy: ConnectionPool, clock: Clock) {
    this.#connection = connection
    this.#policy = policy
    this.#clock = clock
    this.#idleSinceMs = clock.monotonicMs()
    connection.onChanged = () => this.#changed()
    if (policy.maxConnectionAgeMs !== undefined)
      this.#ageTimer = clock.setTimer(policy.maxConnectionAgeMs, () => this.retire())
    this.#watchIdleness(policy.httpIdleTimeoutMs)
  }

  get hasRoom(): boolean {
    const { capacity, activeCount, isClosed } = this.#connection
    const { maxConcurrentStreams } = this.#policy
    if (this.#isRetired || isClosed || capacity <= 0) return false
    return maxConcurrentStreams === undefined || activeCount < maxConcurrentStreams
  }

  get activeCount(): number {
    return this.#connection.activeCount
  }

  send(request: RequestHead, lengthBytes: number | undefined): UpstreamExchange {
    this.#sentCount++
    const exchange = this.#connection.send(request, lengthBytes)
    if (this.#sentCount === this.#policy.maxRequestsPerConnection) this.retire()
    return exchange
  }

  /** Begins no more requests; closes behind the last. */
  retire(): void {
    if (this.#isRetired) return
    this.#leave()
    this.#connection.retire()
  }

  destroy(): void {
    this.#leave()
    this.#connection.destroy()
  }

  #changed(): void {
    if (this.#connection.isClosed) {
      if (this.#isGone) return
      this.#isGone = true
      this.#leave()
      this.onClosed?.()
      return
    }
    const isIdle = this.#connection.activeCount === 0
    if (isIdle) this.#idleSinceMs = this.#clock.monotonicMs()
    if (this.hasRoom) this.onRoom?.()
    // The peer said that it takes no more.
    else if (isIdle && this.#connection.capacity === 0) this.retire()
  }

  #leave(): void {
    if (this.#isRetired) return
    this.#isRetired = true
    this.#idleTimer?.cancel()
    this.#ageTimer?.cancel()
    this.onRetired?.()
  }

  /** One timer, set again for what is left; 0 = no bound. */
  #watchIdleness(afterMs: number): void {
    if (this.#policy.httpIdleTimeoutMs === 0) return
    this.#idleTimer = this.#clock.setTimer(afterMs, () => {
      const { httpIdleTimeoutMs } = this.#policy
      const idleMs = this.#connection.activeCount > 0 ? 0 : this.#clock.monotonicMs() - this.#idleSinceMs
      if (idleMs >= httpIdleTimeoutMs) this.retire()
      else this.#watchIdleness(httpIdleTimeoutMs - idleMs)
    })
  }
}
