import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { formatBaggage, type PoolKey, type TunnelDialer, type TunnelPool } from '#shared/hbone'
import type { HeaderList } from '#shared/http2'
import type { TrafficPolicy } from '#shared/l7'
import { type Cancellation, Canceller } from '#shared/lifecycle'
import type { MeshView } from '#shared/mesh-state'
import { type Service, type SpiffeId, spiffeParts, type Workload } from '#shared/model'
import { type ByteChannel, type IpAddress, type SocketAddress, socketChannel } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'
import type { ClusterBackend, Endpoint } from '../balance/index.ts'
import { acceptedPeers, namedPeers } from './accepted-peers.ts'
import { gatewayTo } from './behind-gateway.ts'
import { ChannelDuplex } from './channel-duplex.ts'
import { connectTcp, resolveTarget } from './connect-tcp.ts'
import { givenUp } from './given-up.ts'
import { TlsOrigination } from './tls-origination.ts'
import type { HttpProtocol } from './types.ts'

export interface EndpointDialerSettings {
  readonly clock: Clock
  readonly mesh: MeshView
  readonly tunnels: TunnelPool
  /** The waypoint's own. @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificate: () => Promise<WorkloadCertificate>
  readonly identity: SpiffeId
  /** Told in the tunnels' `baggage`, once it is known. */
  readonly self: () => Workload | undefined
  /** From which tunnels are dialled; a part of their key only, the kernel chooses. */
  readonly sourceIp: IpAddress
  /** The waypoint's own; endpoints of others are behind gateways. */
  readonly network: string
  /** Where workloads take tunnels. */
  readonly tunnelPort: number
  /** A TCP connection to a workload's tunnel, as it begins. */
  readonly dialTunnel: (to: SocketAddress) => Socket
}

export interface DialOrder {
  readonly endpoint: Endpoint
  readonly backend: ClusterBackend
  readonly policy: TrafficPolicy
  /** What will be spoken; undefined = opaque bytes. */
  readonly protocol: HttpProtocol | undefined
}

/** Makes the way to an endpoint: a tunnel where its workload takes one, else TCP; TLS inside of it where the policy says so. */
export class EndpointDialer {
  readonly #settings: EndpointDialerSettings
  readonly #tls: TlsOrigination

  constructor(settings: EndpointDialerSettings) {
    this.#settings = settings
    this.#tls = new TlsOrigination(settings.clock)
  }

  /**
   * All of it within the connect time-out of the policy.
   *
   * @throws MeshError as `Upstream.send`
   */
  async open(order: DialOrder, cancellation: Cancellation): Promise<ByteChannel> {
    const { connectTimeoutMs } = order.policy.pool
    const step = new Canceller()
    let isLate = false
    const timer = this.#settings.clock.setTimer(connectTimeoutMs, () => {
      isLate = true
      step.cancel()
    })
    cancellation.onCancelled = () => step.cancel()
    if (cancellation.isCancelled) step.cancel()
    try {
      return await this.#open(order, step)
    } catch (error) {
      if (cancellation.isCancelled) throw givenUp()
      if (!isLate) throw error
      throw new MeshError('UPSTREAM_CONNECT_TIMEOUT', `no connection within ${connectTimeoutMs} ms`, { cause: error })
    } finally {
      timer.cancel()
      cancellation.onCancelled = undefined
    }
  }

  async #open(order: DialOrder, cancellation: Cancellation): Promise<ByteChannel> {
    const { endpoint, backend, policy, protocol } = order
    const { tls, pool } = policy
    if (endpoint.workload.network === this.#settings.network && endpoint.workload.protocol === 'TCP') {
      const socket = await connectTcp(await resolveTarget(endpoint.address, cancellation), pool.keepalive, cancellation)
      if (tls === undefined) return socketChannel(socket)
      return socketChannel(await this.#tls.secure(socket, tls, backend.hostname, protocol, cancellation))
    }
    const channel = await this.#openTunnel(order, cancellation)
    if (tls === undefined) return channel
    const inside = new ChannelDuplex(channel)
    return socketChannel(await this.#tls.secure(inside, tls, backend.hostname, protocol, cancellation))
  }

  #openTunnel(order: DialOrder, cancellation: Cancellation): Promise<ByteChannel> {
    return order.endpoint.workload.network === this.#settings.network
      ? this.#openDirectly(order, cancellation)
      : this.#openThroughGateway(order, cancellation)
  }

  async #openDirectly(
    { endpoint: { workload, address }, backend }: DialOrder,
    cancellation: Cancellation,
  ): Promise<ByteChannel> {
    const { tunnels, tunnelPort } = this.#settings
    const to = await resolveTarget(address, cancellation)
    const destination = { ip: to.ip, port: tunnelPort }
    const key = this.#keyOf(workload, acceptedPeers(workload, this.#serviceOf(backend)), destination)
    const request = { authority: { kind: 'address', ...to } as const, headers: this.#headers() }
    return (await tunnels.connectChannel(key, this.#dialerOf(destination), request, cancellation)).channel
  }

  /**
   * An endpoint of another network: a tunnel to one of its gateways, and in it another one that asks for the service by name,
   * since addresses of that network mean nothing here.
   */
  async #openThroughGateway(
    { endpoint: { workload, address }, backend }: DialOrder,
    cancellation: Cancellation,
  ): Promise<ByteChannel> {
    const { tunnels, mesh, network, identity, clock } = this.#settings
    const { namespace } = spiffeParts(identity)
    const hop = gatewayTo(workload, mesh, { network, namespace }, () => clock.random())
    const destination = await resolveTarget(hop.address, cancellation)
    const key = this.#keyOf(hop.workload, acceptedPeers(hop.workload, hop.service), destination)
    const headers = this.#headers()
    const inner = {
      acceptedPeers: namedPeers(this.#serviceOf(backend)),
      request: { authority: address, headers: [...headers, ['x-forwarded-network', network] as const] },
    }
    const outer = { authority: address, headers }
    const dialer = this.#dialerOf(destination)
    return (await tunnels.connectChannelThrough(key, dialer, outer, inner, cancellation)).channel
  }

  #keyOf(workload: Workload, accepted: readonly SpiffeId[], destination: SocketAddress): PoolKey {
    const { identity, sourceIp } = this.#settings
    return { source: identity, acceptedPeers: accepted, destination, workloadUid: workload.uid, sourceIp }
  }

  #dialerOf(destination: SocketAddress): TunnelDialer {
    const { dialTunnel, certificate } = this.#settings
    return { dial: () => dialTunnel(destination), certificate }
  }

  #serviceOf({ namespace, hostname }: ClusterBackend): Service | undefined {
    return this.#settings.mesh.serviceByKey(`${namespace}/${hostname}`)
  }

  /** Requests of many clients share the connection, so that it tells of the waypoint alone. */
  #headers(): HeaderList {
    const self = this.#settings.self()
    return self === undefined ? [] : [['baggage', formatBaggage(self)]]
  }
}
