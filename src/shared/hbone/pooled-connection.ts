import type { Clock, Timer } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { H2ClientConnection } from '#shared/http2'
import type { Cancellation, DrainOrder } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { PeerChain, WorkloadCertificate } from '#shared/pki'
import { type OpenedTunnel, openTunnel } from './open-tunnel.ts'
import type { TunnelEnd } from './tunnel-end.ts'
import type { ConnectRequest, Revocation } from './types.ts'

/** A connection waits for its last stream however long that takes: as long as a timer can be set. */
export const UNTIL_LAST_STREAM: DrainOrder = { mode: 'graceful', deadlineMs: 2 ** 31 - 1 }

/** One verified connection of a pool. It takes streams until it is retired; then it closes behind the last one. */
export class PooledConnection {
  readonly peer: SpiffeId
  readonly #connection: H2ClientConnection
  readonly #certificate: WorkloadCertificate
  readonly #clock: Clock
  readonly #unusedReleaseMs: number
  #lastUsedMs: number
  #timer: Timer | undefined
  #isRetired = false
  #openedCount = 0
  #stopFollowing: (() => void) | undefined
  /** Of the peer, when somebody asks about revocation. */
  chain: PeerChain | undefined
  /** Called once, when it takes no more streams. */
  onRetired: (() => void) | undefined
  /** Called once, when it is gone. */
  onClosed: (() => void) | undefined

  constructor(
    connection: H2ClientConnection,
    peer: SpiffeId,
    certificate: WorkloadCertificate,
    clock: Clock,
    unusedReleaseMs: number,
  ) {
    this.#connection = connection
    this.peer = peer
    this.#certificate = certificate
    this.#clock = clock
    this.#unusedReleaseMs = unusedReleaseMs
    this.#lastUsedMs = clock.monotonicMs()
    connection.onClosed = () => this.#onConnectionClosed()
    // Not by a look at the time: held up for that long just now, it would be retired before anybody can be told.
    this.#watchUseIn(unusedReleaseMs)
  }

  get isIdle(): boolean {
    return this.#connection.streamCount === 0
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs
  }

  /** It has carried streams before, so that its peer may have gone since. */
  get isReused(): boolean {
    return this.#openedCount > 1
  }

  /** The connection itself is lost or on its way out, not just a stream of it. */
  get isOver(): boolean {
    return !this.#connection.isUsable
  }

  /** Whether it can take one more stream, with at most `maxStreams` at once. */
  hasRoom(maxStreams: number): boolean {
    return this.#connection.streamCount < Math.min(maxStreams, this.#connection.peerMaxConcurrentStreams)
  }

  /** Neither on its way out nor made with an older certificate. */
  isCurrent(certificate: WorkloadCertificate): boolean {
    return !this.#isRetired && this.#connection.isUsable && this.#certificate === certificate
  }

  /** Takes no more streams once the peer's certificate is revoked; those that run are their owners' to end. */
  follow(chain: PeerChain, revocation: Revocation): void {
    this.chain = chain
    this.#stopFollowing = revocation.follow(chain, () => this.retire())
  }

  open(
    end: TunnelEnd,
    request: ConnectRequest,
    answerTimeoutMs: number,
    cancellation: Cancellation | undefined,
  ): Promise<OpenedTunnel> {
    this.#lastUsedMs = this.#clock.monotonicMs()
    this.#openedCount++
    return openTunnel(this.#connection, end, request, this.#clock, answerTimeoutMs, cancellation)
  }

  /** Takes no more streams from now on. */
  retire(): void {
    if (this.#isRetired) return
    this.#leave()
    void this.#connection.drain(UNTIL_LAST_STREAM)
  }

  async drain(order: DrainOrder): Promise<void> {
    this.#leave()
    await this.#connection.drain(order)
  }

  async close(): Promise<void> {
    this.#leave()
    await this.#connection.close()
  }

  #leave(): void {
    if (this.#isRetired) return
    this.#isRetired = true
    this.#stopFollowing?.()
    this.#timer?.cancel()
    this.onRetired?.()
  }

  #onConnectionClosed(): void {
    this.#leave()
    this.onClosed?.()
  }

  /** Retires it when no stream has been opened for long. One timer, set again for what is left. */
  #watchUse(): void {
    const unusedMs = this.#clock.monotonicMs() - this.#lastUsedMs
    if (unusedMs >= this.#unusedReleaseMs) {
      this.retire()
      return
    }
    this.#watchUseIn(this.#unusedReleaseMs - unusedMs)
  }

  #watchUseIn(delayMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => this.#watchUse())
  }
}

export function poolUnavailable(reason: string): MeshError {
  return new MeshError('TUNNEL_POOL_UNAVAILABLE', reason)
}
