import type { Clock } from '#shared/clock'
import type { ConnectionPool } from '#shared/l7'
import type { Cancellation } from '#shared/lifecycle'
import type { HttpClientConnection, RequestHead, UpstreamExchange } from '../codec/index.ts'
import type { ClusterUse } from './cluster-use.ts'
import { closing, givenUp } from './given-up.ts'
import { PooledClient } from './pooled-client.ts'
import type { HttpProtocol } from './types.ts'

/** A connection that is being made, and can be given up. */
export interface Dial {
  readonly connection: Promise<HttpClientConnection>
  cancel(): void
}

export interface EndpointPoolSurroundings {
  readonly clock: Clock
  readonly protocol: HttpProtocol
  readonly use: ClusterUse
  /** Of the cluster, as it is now. */
  readonly policy: () => ConnectionPool
  readonly dial: () => Dial
  /** Nothing is in the pool any more. */
  readonly onEmpty: () => void
}

interface Waiter {
  readonly request: RequestHead
  readonly lengthBytes: number | undefined
  readonly resolve: (exchange: UpstreamExchange) => void
  readonly reject: (error: unknown) => void
  readonly cancellation: Cancellation
}

/** How many requests one connection that is being made is expected to take at once. */
const EXPECTED_ROOM: Readonly<Record<HttpProtocol, number>> = { http1: 1, http2: 100 }

/** The connections to one endpoint for one cluster and protocol, and the requests that wait for them in order. */
export class EndpointPool {
  readonly #around: EndpointPoolSurroundings
  /** Those that may take requests. HTTP/1 uses the last one first, so that those in front run out when they are too many. */
  readonly #clients: PooledClient[] = []
  /** Those that finish what they have. */
  readonly #retired = new Set<PooledClient>()
  readonly #dials = new Set<Dial>()
  readonly #waiters: Waiter[] = []
  #isOpen = true

  constructor(around: EndpointPoolSurroundings) {
    this.#around = around
  }

  /** @throws MeshError as `Upstream.send` */
  send(
    request: RequestHead,
    lengthBytes: number | undefined,
    cancellation: Cancellation,
  ): UpstreamExchange | Promise<UpstreamExchange> {
    if (!this.#isOpen) throw closing()
    if (cancellation.isCancelled) throw givenUp()
    const client = this.#waiters.length === 0 ? this.#free() : undefined
    if (client !== undefined) return client.send(request, lengthBytes)
    return this.#wait(request, lengthBytes, cancellation)
  }

  /** What is there takes no more requests and ends behind its last; new requests get new connections. */
  retireConnections(): void {
    for (const client of [...this.#clients]) client.retire()
  }

  /** Takes no more requests, and is empty behind the last. */
  close(): void {
    this.#isOpen = false
    for (const dial of this.#dials) dial.cancel()
    for (const waiter of this.#waiters.splice(0)) this.#refuse(waiter, closing())
    this.retireConnections()
  }

  destroy(): void {
    this.close()
    for (const client of [...this.#retired]) client.destroy()
  }

  get isEmpty(): boolean {
    return this.#clients.length + this.#retired.size + this.#dials.size + this.#waiters.length === 0
  }

  get counts(): { connections: number; dialing: number; activeRequests: number; waiting: number } {
    const all = [...this.#clients, ...this.#retired]
    return {
      connections: all.length,
      dialing: this.#dials.size,
      activeRequests: all.reduce((sum, { activeCount }) => sum + activeCount, 0),
      waiting: this.#waiters.length,
    }
  }

  #free(): PooledClient | undefined {
    return this.#around.protocol === 'http1'
      ? this.#clients.findLast(({ hasRoom }) => hasRoom)
      : this.#clients.find(({ hasRoom }) => hasRoom)
  }

  #wait(request: RequestHead, lengthBytes: number | undefined, cancellation: Cancellation): Promise<UpstreamExchange> {
    this.#addPending()
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamExchange>()
    const waiter: Waiter = { request, lengthBytes, resolve, reject, cancellation }
    cancellation.onCancelled = () => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      this.#refuse(waiter, givenUp())
      this.#tellWhenEmpty()
    }
    this.#waiters.push(waiter)
    this.#dialForWaiters()
    return promise
  }

  #addPending(): void {
    const { use, policy } = this.#around
    try {
      use.addPending(policy())
    } catch (error) {
      this.#tellWhenEmpty()
      throw error
    }
  }

  /** As many dials as those that wait need, within the bound; one in any case when there is nothing else to wait for. */
  #dialForWaiters(): void {
    const { use, policy, protocol } = this.#around
    const pool = policy()
    const room = Math.min(EXPECTED_ROOM[protocol], pool.maxConcurrentStreams ?? Number.POSITIVE_INFINITY)
    while (this.#dials.size * room < this.#waiters.length) {
      const isOnlyHope = this.#dials.size === 0 && this.#clients.length === 0
      if (!use.hasRoomForConnection(pool) && !isOnlyHope) {
        use.refused.connections++
        return
      }
      this.#dial()
    }
  }

  #dial(): void {
    const { use, dial } = this.#around
    use.connections++
    const made = dial()
    this.#dials.add(made)
    made.connection.then(
      (connection) => {
        this.#dials.delete(made)
        this.#put(connection)
      },
      (error: unknown) => {
        this.#dials.delete(made)
        use.connections--
        this.#dialFailed(error)
      },
    )
  }

  #put(connection: HttpClientConnection): void {
    const { clock, policy, use } = this.#around
    const client = new PooledClient(connection, policy(), clock)
    this.#clients.push(client)
    client.onRoom = () => this.#serve()
    client.onRetired = () => {
      this.#clients.splice(this.#clients.indexOf(client), 1)
      this.#retired.add(client)
      // Its room is gone with it: those who wait need another.
      if (this.#isOpen) this.#dialForWaiters()
    }
    client.onClosed = () => {
      this.#retired.delete(client)
      use.connections--
      if (this.#isOpen) this.#dialForWaiters()
      this.#tellWhenEmpty()
    }
    if (this.#isOpen) this.#serve()
    else client.retire()
  }

  /** The first of those who wait, as long as there is room. */
  #serve(): void {
    while (this.#waiters.length > 0) {
      const client = this.#free()
      if (client === undefined) break
      const waiter = this.#waiters.shift()
      if (waiter === undefined) break
      this.#release(waiter)
      try {
        waiter.resolve(client.send(waiter.request, waiter.lengthBytes))
      } catch (error) {
        waiter.reject(error)
      }
    }
    this.#dialForWaiters()
  }

  /**
   * Who waited for that connection fails with it: all, when nothing else is there or on its way; else the first, as the
   * others may still be served.
   */
  #dialFailed(error: unknown): void {
    const isLast = this.#clients.length === 0 && this.#dials.size === 0
    for (const waiter of this.#waiters.splice(0, isLast ? this.#waiters.length : 1)) this.#refuse(waiter, error)
    this.#tellWhenEmpty()
  }

  #refuse(waiter: Waiter, error: unknown): void {
    this.#release(waiter)
    waiter.reject(error)
  }

  #release(waiter: Waiter): void {
    waiter.cancellation.onCancelled = undefined
    this.#around.use.pending--
  }

  #tellWhenEmpty(): void {
    if (this.isEmpty) this.#around.onEmpty()
  }
}
