import type { Socket } from 'node:net'
import { type Clock, systemClock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { connectH2, type H2Limits } from '#shared/http2'
import type { Cancellation, DrainOrder } from '#shared/lifecycle'
import type { PeerChain, WorkloadCertificate } from '#shared/pki'
import { openInner } from './inner-tunnel.ts'
import { givenUp, type OpenedTunnel, StreamRefused } from './open-tunnel.ts'
import { PoolKeyTexts } from './pool-key.ts'
import { PooledConnection, poolUnavailable } from './pooled-connection.ts'
import { StreamChannel } from './stream-channel.ts'
import { StreamDuplex } from './stream-duplex.ts'
import { H2StreamPump } from './stream-pump.ts'
import { secureClient } from './tls-client.ts'
import type { OwnedTunnelEnd, TunnelEnd } from './tunnel-end.ts'
import type {
  ConnectRequest,
  InnerTunnel,
  PoolKey,
  Revocation,
  TunnelChannel,
  TunnelDialer,
  TunnelFacts,
  TunnelPool,
  TunnelStream,
} from './types.ts'

export interface TunnelPoolSettings {
  readonly clock: Clock
  /** Streams of one connection at once, whatever more the peer allows (`POOL_MAX_STREAMS_PER_CONNECTION`). */
  readonly maxStreamsPerConnection: number
  /** A connection on which no stream was opened for this long is released (`POOL_UNUSED_RELEASE_TIMEOUT`). */
  readonly unusedReleaseMs: number
  /** TCP. */
  readonly connectTimeoutMs: number
  /** TLS. */
  readonly handshakeTimeoutMs: number
  /** From CONNECT to its answer: the peer's own connect time-out of 10 s, and its waiting for its own state. */
  readonly answerTimeoutMs: number
  /** Connections of all keys, those that are being dialled included; the longest unused idle one makes room. */
  readonly maxConnections: number
  /** Requests that wait for a dial, of all keys. */
  readonly maxWaiting: number
  /** Differences from the engine's `clientLimits`. */
  readonly limits: Partial<H2Limits>
  /** A request that was not answered because a reused connection was lost is sent again on a new one. */
  readonly isLostRequestRepeated: boolean
  /** Undefined = nothing is known of revoked certificates. */
  readonly revocation: Revocation | undefined
}

const DEFAULTS: TunnelPoolSettings = {
  clock: systemClock,
  maxStreamsPerConnection: 100,
  unusedReleaseMs: 300_000,
  connectTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  answerTimeoutMs: 30_000,
  maxConnections: 16_384,
  maxWaiting: 16_384,
  limits: {},
  isLostRequestRepeated: true,
  revocation: undefined,
}

/** How often a request is sent to peers that refuse it unseen, or are gone. */
const MAX_ATTEMPTS = 3

/** What is there, and what is on its way, for one key. */
interface Shelf {
  /** Connections that may take streams, the oldest first, so that few are kept busy and the rest run out. */
  readonly connections: PooledConnection[]
  /** The one dial under way; who waits for it looks for room again when it ends. */
  dial: Promise<PooledConnection> | undefined
}

/** A CONNECT that a pooled connection's peer answered with 200. */
interface OpenedOnPool<E extends TunnelEnd> extends OpenedTunnel {
  readonly end: E
  readonly connection: PooledConnection
  /** What the connection was made with. */
  readonly certificate: WorkloadCertificate
}

function facts({ stream, responseHeaders, connection }: OpenedOnPool<TunnelEnd>): TunnelFacts {
  return { stream, responseHeaders, peer: connection.peer, chains: known(connection.chain) }
}

function isLoss(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'TUNNEL_LOST'
}

function known(...chains: readonly (PeerChain | undefined)[]): readonly PeerChain[] {
  return chains.filter((chain) => chain !== undefined)
}

const makePump = (): H2StreamPump => new H2StreamPump('opener')
const makeChannel = (): StreamChannel => new StreamChannel()
const makeDuplex = (): StreamDuplex => new StreamDuplex()

export function createTunnelPool(settings: Partial<TunnelPoolSettings> = {}): TunnelPool {
  return new SharedTunnelPool({ ...DEFAULTS, ...settings })
}

class SharedTunnelPool implements TunnelPool {
  readonly #settings: TunnelPoolSettings
  readonly #shelves: Map<string, Shelf> = new Map()
  readonly #texts = new PoolKeyTexts()
  /** Every connection that is not closed, retired ones included. */
  readonly #connections: Set<PooledConnection> = new Set()
  readonly #dialing: Set<Socket> = new Set()
  #waiting = 0
  #isOpen = true

  constructor(settings: TunnelPoolSettings) {
    this.#settings = settings
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  async connect(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    cancellation?: Cancellation,
  ): Promise<TunnelStream> {
    const opened = await this.#request(key, dialer, request, makePump, cancellation)
    return { ...facts(opened), pump: opened.end }
  }

  async connectChannel(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    cancellation?: Cancellation,
  ): Promise<TunnelChannel> {
    const opened = await this.#request(key, dialer, request, makeChannel, cancellation)
    return { ...facts(opened), channel: opened.end }
  }

  async connectThrough(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    inner: InnerTunnel,
    cancellation?: Cancellation,
  ): Promise<TunnelStream> {
    const pump = makePump()
    return { ...(await this.#requestThrough(key, dialer, request, inner, pump, cancellation)), pump }
  }

  async connectChannelThrough(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    inner: InnerTunnel,
    cancellation?: Cancellation,
  ): Promise<TunnelChannel> {
    const channel = makeChannel()
    return { ...(await this.#requestThrough(key, dialer, request, inner, channel, cancellation)), channel }
  }

  async #requestThrough(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    inner: InnerTunnel,
    end: OwnedTunnelEnd,
    cancellation: Cancellation | undefined,
  ): Promise<TunnelFacts> {
    const outer = await this.#request(key, dialer, request, makeDuplex, cancellation)
    const { chain, ...opened } = await openInner(outer.end, outer.certificate, inner, end, this.#settings, cancellation)
    return { ...opened, chains: known(outer.connection.chain, chain) }
  }

  /** A stream on a pooled connection; each attempt gets an end of its own. */
  async #request<E extends TunnelEnd>(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    makeEnd: () => E,
    cancellation: Cancellation | undefined,
  ): Promise<OpenedOnPool<E>> {
    const text = this.#texts.of(key)
    for (let attempts = 0; attempts < MAX_ATTEMPTS; ) {
      const certificate = await dialer.certificate()
      if (!this.#isOpen) throw closing()
      if (cancellation?.isCancelled) throw givenUp()
      const shelf = this.#shelfOf(text)
      const connection = this.#pick(shelf, certificate)
      if (connection === undefined) {
        await this.#waitForDial(text, shelf, key, dialer, certificate, cancellation)
        continue
      }
      attempts++
      const end = makeEnd()
      try {
        const opened = await connection.open(end, request, this.#settings.answerTimeoutMs, cancellation)
        const { stream, responseHeaders } = opened
        return { stream, responseHeaders, end, connection, certificate }
      } catch (error) {
        if (!this.#isWorthAnother(error, connection, cancellation)) throw error
      }
    }
    throw poolUnavailable(`the peer refuses streams: ${text}`)
  }

  drain(order: DrainOrder): Promise<void> {
    return this.#end((connection) => connection.drain(order))
  }

  close(): Promise<void> {
    return this.#end((connection) => connection.close())
  }

  /** What is being dialled has no stream yet and is given up in any case. */
  async #end(how: (connection: PooledConnection) => Promise<void>): Promise<void> {
    this.#isOpen = false
    for (const socket of this.#dialing) socket.destroy()
    await Promise.all([...this.#connections].map(how))
  }

  /** Whether another attempt is due: the peer refused the stream unseen, or had gone before it. */
  #isWorthAnother(error: unknown, connection: PooledConnection, cancellation: Cancellation | undefined): boolean {
    if (error instanceof StreamRefused) return true
    const isStale = this.#settings.isLostRequestRepeated && connection.isReused && connection.isOver
    const isGivenUp = cancellation?.isCancelled === true || !this.#isOpen
    return isStale && isLoss(error) && !isGivenUp
  }

  #shelfOf(text: string): Shelf {
    let shelf = this.#shelves.get(text)
    if (shelf === undefined) {
      shelf = { connections: [], dial: undefined }
      this.#shelves.set(text, shelf)
    }
    return shelf
  }

  /** Retires what was made with another certificate: it lives on until its streams have ended. */
  #pick(shelf: Shelf, certificate: WorkloadCertificate): PooledConnection | undefined {
    const { connections } = shelf
    for (let i = connections.length - 1; i >= 0; i--) {
      if (connections[i]?.isCurrent(certificate) === false) connections[i]?.retire()
    }
    return connections.find((one) => one.hasRoom(this.#settings.maxStreamsPerConnection))
  }

  /** Joins the key's dial, or begins it. */
  async #waitForDial(
    text: string,
    shelf: Shelf,
    key: PoolKey,
    dialer: TunnelDialer,
    certificate: WorkloadCertificate,
    cancellation: Cancellation | undefined,
  ): Promise<void> {
    if (this.#waiting >= this.#settings.maxWaiting) throw poolUnavailable('too many requests wait for connections')
    // Its last connection may have been retired, and the shelf been dropped with it.
    this.#shelves.set(text, shelf)
    // Joined by others from now on, and cleared before any of them goes on.
    shelf.dial ??= this.#dial(text, shelf, key, dialer, certificate).finally(() => {
      shelf.dial = undefined
      this.#dropEmpty(text, shelf)
    })
    this.#waiting++
    try {
      const fresh = await unlessCancelled(shelf.dial, cancellation)
      // Without this a peer that allows no streams at all would be dialled again and again.
      if (fresh.isIdle && !fresh.hasRoom(this.#settings.maxStreamsPerConnection))
        throw poolUnavailable(`the peer allows no streams: ${text}`)
    } finally {
      this.#waiting--
    }
  }

  /** Puts one new connection on the shelf. Its failure is the failure of all that wait for it. */
  async #dial(
    text: string,
    shelf: Shelf,
    key: PoolKey,
    dialer: TunnelDialer,
    certificate: WorkloadCertificate,
  ): Promise<PooledConnection> {
    this.#makeRoom()
    const { clock, limits, unusedReleaseMs, revocation } = this.#settings
    const socket = dialer.dial()
    this.#dialing.add(socket)
    try {
      const secured = await secureClient(socket, certificate, key.acceptedPeers, this.#settings)
      if (!this.#isOpen) {
        secured.socket.destroy()
        throw closing()
      }
      const h2 = connectH2(secured.socket, { limits, clock })
      const connection = new PooledConnection(h2, secured.peer, certificate, clock, unusedReleaseMs)
      if (revocation !== undefined && secured.chain !== undefined) connection.follow(secured.chain, revocation)
      this.#put(text, shelf, connection)
      return connection
    } finally {
      this.#dialing.delete(socket)
    }
  }

  #put(text: string, shelf: Shelf, connection: PooledConnection): void {
    this.#connections.add(connection)
    shelf.connections.push(connection)
    connection.onRetired = () => {
      shelf.connections.splice(shelf.connections.indexOf(connection), 1)
      this.#dropEmpty(text, shelf)
    }
    connection.onClosed = () => this.#connections.delete(connection)
  }

  #dropEmpty(text: string, shelf: Shelf): void {
    const isEmpty = shelf.connections.length === 0 && shelf.dial === undefined
    if (isEmpty && this.#shelves.get(text) === shelf) this.#shelves.delete(text)
  }

  #makeRoom(): void {
    const { maxConnections } = this.#settings
    if (this.#connections.size + this.#dialing.size < maxConnections) return
    let unused: PooledConnection | undefined
    for (const one of this.#connections) {
      if (one.isIdle && (unused === undefined || one.lastUsedMs < unused.lastUsedMs)) unused = one
    }
    if (unused === undefined) throw poolUnavailable(`all ${maxConnections} connections are in use`)
    void unused.close()
  }
}

function closing(): MeshError {
  return poolUnavailable('the tunnel pool is closing')
}

/** The promise's outcome, unless it is given up before. */
async function unlessCancelled<T>(promise: Promise<T>, cancellation: Cancellation | undefined): Promise<T> {
  if (cancellation === undefined) return promise
  const { promise: cancelled, reject } = Promise.withResolvers<never>()
  cancellation.onCancelled = () => reject(givenUp())
  try {
    return await Promise.race([promise, cancelled])
  } finally {
    cancellation.onCancelled = undefined
  }
}
