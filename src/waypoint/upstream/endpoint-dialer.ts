import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { formatBaggage, type TunnelPool } from '#shared/hbone'
import type { HeaderList } from '#shared/http2'
import type { TrafficPolicy } from '#shared/l7'
import { type Cancellation, Canceller } from '#shared/lifecycle'
import type { MeshView } from '#shared/mesh-state'
import { parseSpiffeId, type SpiffeId, type Workload, workloadIdentity } from '#shared/model'
import { type ByteChannel, type IpAddress, type SocketAddress, socketChannel } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'
import type { ClusterBackend, Endpoint } from '../balance/index.ts'
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
    const to = await resolveTarget(endpoint.address, cancellation)
    if (endpoint.workload.protocol === 'HBONE') {
      const channel = await this.#openTunnel(order, to, cancellation)
      if (tls === undefined) return channel
      const inside = new ChannelDuplex(channel)
      return socketChannel(await this.#tls.secure(inside, tls, backend.hostname, protocol, cancellation))
    }
    const socket = await connectTcp(to, pool.keepalive, cancellation)
    if (tls === undefined) return socketChannel(socket)
    return socketChannel(await this.#tls.secure(socket, tls, backend.hostname, protocol, cancellation))
  }

  async #openTunnel(
    { endpoint: { workload }, backend }: DialOrder,
    to: SocketAddress,
    cancellation: Cancellation,
  ): Promise<ByteChannel> {
    const { tunnels, identity, certificate, sourceIp, tunnelPort, dialTunnel } = this.#settings
    const destination = { ip: to.ip, port: tunnelPort }
    const key = {
      source: identity,
      acceptedPeers: this.#acceptedPeers(workload, backend),
      destination,
      workloadUid: workload.uid,
      sourceIp,
    }
    const request = { authority: { kind: 'address', ...to } as const, headers: this.#headers() }
    const dialer = { dial: () => dialTunnel(destination), certificate }
    return (await tunnels.connectChannel(key, dialer, request, cancellation)).channel
  }

  /** Who may answer: the workload itself, and whom the service names. */
  #acceptedPeers(workload: Workload, { namespace, hostname }: ClusterBackend): readonly SpiffeId[] {
    const service = this.#settings.mesh.serviceByKey(`${namespace}/${hostname}`)
    const named = service?.subjectAltNames.flatMap((name) => parseSpiffeId(name) ?? []) ?? []
    const own = workloadIdentity(workload)
    const accepted = [...new Set(own === undefined ? named : [...named, own])]
    if (accepted.length === 0)
      throw new MeshError('PEER_UNVERIFIED', `no identity is known for workload ${workload.uid}`)
    return accepted
  }

  /** Requests of many clients share the connection, so that it tells of the waypoint alone. */
  #headers(): HeaderList {
    const self = this.#settings.self()
    return self === undefined ? [] : [['baggage', formatBaggage(self)]]
  }
}
