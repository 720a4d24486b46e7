import { formatConnectTarget } from '#shared/hbone'
import type { UpstreamTls } from '#shared/l7'
import { type Cancellation, Canceller, type DrainOrder } from '#shared/lifecycle'
import { type AppProtocol, type Workload, workloadIdentity } from '#shared/model'
import type { ByteChannel } from '#shared/net'
import type { ActiveCluster, Endpoint, Picked } from '../balance/index.ts'
import {
  connectHttp2,
  type Deadlines,
  Http1Client,
  type Http1Settings,
  type HttpClientConnection,
  type RequestHead,
  type UpstreamExchange,
} from '../codec/index.ts'
import { ByteConnection } from './byte-connection.ts'
import { ClusterUses } from './cluster-use.ts'
import { EndpointDialer, type EndpointDialerSettings } from './endpoint-dialer.ts'
import { type Dial, EndpointPool } from './endpoint-pool.ts'
import { closing } from './given-up.ts'
import { protocolFor } from './protocol.ts'
import type { HttpProtocol, PoolDump, Upstream } from './types.ts'

export interface UpstreamSettings extends EndpointDialerSettings {
  /** Of this process's connections. */
  readonly deadlines: Deadlines
  /** Of connections to endpoints; how long they may be idle is the policy's. */
  readonly http1: Http1Settings
}

export function createUpstream(settings: UpstreamSettings): Upstream {
  return new MeshUpstream(settings)
}

/** The pools of one endpoint in one cluster. */
interface EndpointPools {
  readonly cluster: ActiveCluster
  readonly endpoint: Endpoint
  readonly byProtocol: Map<HttpProtocol, EndpointPool>
  /** How its workload was reached when the connections were made, and with which TLS. */
  way: Way
}

class MeshUpstream implements Upstream {
  readonly #settings: UpstreamSettings
  readonly #dialer: EndpointDialer
  readonly #uses = new ClusterUses()
  readonly #pools = new Map<Endpoint, EndpointPools[]>()
  /** Uid → endpoints with pools: what is looked at when a workload changes. */
  readonly #byUid = new Map<string, Set<Endpoint>>()
  readonly #byteConnections = new Set<ByteChannel>()
  readonly #unsubscribe: () => void
  #isOpen = true
  /** Nothing is left, and nothing new comes. */
  readonly #emptied: PromiseWithResolvers<void> = Promise.withResolvers<void>()

  constructor(settings: UpstreamSettings) {
    this.#settings = settings
    this.#dialer = new EndpointDialer(settings)
    this.#unsubscribe = settings.mesh.onWorkloadsChanged((uids) => this.#workloadsChanged(uids))
  }

  send(
    to: Picked,
    request: RequestHead,
    lengthBytes: number | undefined,
    cancellation: Cancellation,
  ): UpstreamExchange | Promise<UpstreamExchange> {
    if (!this.#isOpen) throw closing()
    const { cluster } = to
    const protocol = protocolFor(request, this.#appProtocolOf(cluster), cluster.policy.pool.upgrade)
    return this.#poolFor(to, protocol).send(request, lengthBytes, cancellation)
  }

  async openBytes({ cluster, endpoint }: Picked, cancellation: Cancellation): Promise<ByteChannel> {
    if (!this.#isOpen) throw closing()
    const { backend, policy } = cluster
    const use = this.#uses.of(cluster)
    use.addConnection(policy.pool)
    try {
      const channel = await this.#dialer.open({ endpoint, backend, policy, protocol: undefined }, cancellation)
      const connection = new ByteConnection(channel, policy.pool, this.#settings.clock, () => {
        use.connections--
        this.#byteConnections.delete(connection)
        this.#tellWhenEmpty()
      })
      this.#byteConnections.add(connection)
      if (!this.#isOpen) connection.destroy()
      return connection
    } catch (error) {
      use.connections--
      throw error
    }
  }

  dump(): readonly PoolDump[] {
    const dumped: PoolDump[] = []
    for (const { cluster, endpoint, pool, protocol } of this.#all()) {
      const { namespace, hostname, port, subset } = cluster.backend
      dumped.push({
        cluster: `${namespace}/${hostname}:${port}${subset === '' ? '' : `/${subset}`}`,
        endpoint: formatConnectTarget(endpoint.address),
        uid: endpoint.workload.uid,
        protocol,
        ...pool.counts,
      })
    }
    return dumped
  }

  /** New requests are refused, what is under way ends until the deadline. */
  async drain(order: DrainOrder): Promise<void> {
    this.#shut()
    for (const { pool } of this.#all()) pool.close()
    this.#tellWhenEmpty()
    const timer = this.#settings.clock.setTimer(order.deadlineMs, () => this.#cut(), true)
    await this.#emptied.promise
    timer.cancel()
  }

  async close(): Promise<void> {
    this.#shut()
    this.#cut()
  }

  #shut(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#unsubscribe()
  }

  #cut(): void {
    for (const { pool } of [...this.#all()]) pool.destroy()
    for (const connection of [...this.#byteConnections]) connection.destroy()
    this.#emptied.resolve()
  }

  #tellWhenEmpty(): void {
    if (!this.#isOpen && this.#pools.size === 0 && this.#byteConnections.size === 0) this.#emptied.resolve()
  }

  *#all(): Iterable<EndpointPools & { readonly pool: EndpointPool; readonly protocol: HttpProtocol }> {
    for (const list of this.#pools.values()) {
      for (const pools of list) for (const [protocol, pool] of pools.byProtocol) yield { ...pools, pool, protocol }
    }
  }

  #appProtocolOf({ backend }: ActiveCluster): AppProtocol | undefined {
    const service = this.#settings.mesh.serviceByKey(`${backend.namespace}/${backend.hostname}`)
    return service?.ports.find(({ servicePort }) => servicePort === backend.port)?.appProtocol
  }

  #poolFor({ cluster, endpoint }: Picked, protocol: HttpProtocol): EndpointPool {
    const pools = this.#poolsOf(cluster, endpoint)
    this.#keepToWay(pools)
    const known = pools.byProtocol.get(protocol)
    if (known !== undefined) return known
    const pool: EndpointPool = new EndpointPool({
      clock: this.#settings.clock,
      protocol,
      use: this.#uses.of(cluster),
      policy: () => cluster.policy.pool,
      dial: () => this.#dial(cluster, endpoint, protocol),
      onEmpty: () => this.#drop(pools, protocol, pool),
    })
    pools.byProtocol.set(protocol, pool)
    return pool
  }

  /** Connections that were made another way take no more requests. */
  #keepToWay(pools: EndpointPools): void {
    const way = wayTo(pools.endpoint.workload, pools.cluster, pools.way)
    if (way === pools.way) return
    const isOther = way.text !== pools.way.text
    pools.way = way
    if (isOther) for (const pool of [...pools.byProtocol.values()]) pool.retireConnections()
  }

  #poolsOf(cluster: ActiveCluster, endpoint: Endpoint): EndpointPools {
    let list = this.#pools.get(endpoint)
    if (list === undefined) {
      list = []
      this.#pools.set(endpoint, list)
      const { uid } = endpoint.workload
      const same = this.#byUid.get(uid)
      if (same === undefined) this.#byUid.set(uid, new Set([endpoint]))
      else same.add(endpoint)
    }
    let pools = list.find((one) => one.cluster === cluster)
    if (pools === undefined) {
      pools = { cluster, endpoint, byProtocol: new Map(), way: wayTo(endpoint.workload, cluster, undefined) }
      list.push(pools)
    }
    return pools
  }

  #dial(cluster: ActiveCluster, endpoint: Endpoint, protocol: HttpProtocol): Dial {
    const { backend, policy } = cluster
    const canceller = new Canceller()
    return {
      connection: this.#connect({ endpoint, backend, policy, protocol }, protocol, canceller),
      cancel: () => canceller.cancel(),
    }
  }

  async #connect(
    order: Parameters<EndpointDialer['open']>[0],
    protocol: HttpProtocol,
    cancellation: Cancellation,
  ): Promise<HttpClientConnection> {
    const { clock, deadlines, http1 } = this.#settings
    const { httpIdleTimeoutMs, http2Keepalive } = order.policy.pool
    const channel = await this.#dialer.open(order, cancellation)
    if (protocol === 'http1') return new Http1Client(channel, deadlines, { ...http1, idleTimeoutMs: httpIdleTimeoutMs })
    const limits = http2Keepalive && {
      pingIntervalMs: http2Keepalive.intervalMs,
      pingTimeoutMs: http2Keepalive.timeoutMs,
    }
    return connectHttp2(channel, { clock, ...(limits && { limits }) })
  }

  #drop(pools: EndpointPools, protocol: HttpProtocol, pool: EndpointPool): void {
    const { endpoint, byProtocol } = pools
    if (byProtocol.get(protocol) === pool) byProtocol.delete(protocol)
    if (byProtocol.size > 0) return
    const left = this.#pools.get(endpoint)?.filter((one) => one !== pools) ?? []
    if (left.length > 0) {
      this.#pools.set(endpoint, left)
      return
    }
    this.#pools.delete(endpoint)
    const { uid } = endpoint.workload
    const same = this.#byUid.get(uid)
    same?.delete(endpoint)
    if (same?.size === 0) this.#byUid.delete(uid)
    this.#tellWhenEmpty()
  }

  /** Who has gone, or is about to, gets nothing new on old connections, and what it has under way ends in peace. */
  #workloadsChanged(uids: readonly string[]): void {
    for (const uid of uids) {
      const endpoints = this.#byUid.get(uid)
      if (endpoints === undefined) continue
      const workload = this.#settings.mesh.workloadByUid(uid)
      for (const endpoint of [...endpoints]) {
        if (workload !== undefined && workload.status === 'Healthy' && isStillAt(workload, endpoint)) continue
        for (const { byProtocol } of this.#pools.get(endpoint) ?? []) {
          for (const pool of [...byProtocol.values()]) pool.retireConnections()
        }
      }
    }
  }
}

function isStillAt(workload: Workload, { address }: Endpoint): boolean {
  // A name stays; where it leads is looked up with each connection.
  return address.kind === 'hostname' || workload.addresses.includes(address.ip)
}

/** What a connection depends on beside the address: another way needs other connections. */
interface Way {
  readonly workload: Workload
  readonly tls: UpstreamTls | undefined
  /** Equal texts are one way. */
  readonly text: string
}

/** The known way as long as it is made of the same records, since each request asks. */
function wayTo(workload: Workload, { policy: { tls } }: ActiveCluster, known: Way | undefined): Way {
  if (known !== undefined && known.workload === workload && known.tls === tls) return known
  const secured = tls === undefined ? '' : JSON.stringify(tls)
  return { workload, tls, text: `${workload.protocol} ${workloadIdentity(workload) ?? ''} ${secured}` }
}
