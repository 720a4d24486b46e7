import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import {
  acceptTunnels,
  type ChannelRequest,
  formatConnectTarget,
  HandshakeGate,
  headerValue,
  type Revocation,
  type TunnelServerConnection,
} from '#shared/hbone'
import type { DrainOrder } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'
import type { WaypointView } from '../state/index.ts'
import { IDENTIFY_TIMES, type IdentifyTimes } from './identify.ts'
import { InnerConnections } from './inner-connections.ts'
import { OpenPort } from './open-port.ts'
import type { ConnectionOwner, Listener } from './types.ts'

export interface TunnelListenerSettings {
  readonly clock: Clock
  readonly view: Pick<WaypointView, 'destination'>
  readonly owner: ConnectionOwner
  /** The newest of this waypoint. @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificate: () => Promise<WorkloadCertificate>
  readonly times?: IdentifyTimes
  readonly revocation?: Revocation | undefined
  /** Tunnel connections at once; more are closed as they come. */
  readonly maxConnections?: number
  /** Told of connections and requests that come to nothing. */
  readonly onRefused?: (refusal: Refusal) => void
}

export interface Refusal {
  readonly peer: SpiffeId | undefined
  readonly source: SocketAddress
  /** What was asked for, if anything was. */
  readonly target: string | undefined
  readonly reason: string
}

/** Of the waypoint's connections (istio-control-plane c.2); keep-alive is the engine's: PING each 10 s, 20 s to answer. */
const TUNNEL_LIMITS = { maxConcurrentStreams: 100 } as const
const MAX_CONNECTIONS = 16_384

/** Serves HBONE: each CONNECT to a service, or a workload, of this waypoint is one inner connection. */
export async function listenTunnels(at: SocketAddress, settings: TunnelListenerSettings): Promise<Listener> {
  const tunnels = new Tunnels(settings)
  const port = await OpenPort.open(at, settings.maxConnections ?? MAX_CONNECTIONS, (socket, source) =>
    tunnels.accept(socket, source, port.address),
  )
  return {
    address: port.address,
    get connectionCount() {
      return tunnels.connections.count
    },
    drain: async (order) => {
      port.stop()
      await tunnels.drain(order)
      await port.close()
    },
    close: () => port.close(),
  }
}

class Tunnels {
  readonly connections: InnerConnections
  readonly #settings: TunnelListenerSettings
  readonly #gate = new HandshakeGate()
  readonly #open = new Set<TunnelServerConnection>()
  #draining: DrainOrder | undefined

  constructor(settings: TunnelListenerSettings) {
    this.#settings = settings
    this.connections = new InnerConnections(settings.owner, settings.clock, settings.times ?? IDENTIFY_TIMES)
  }

  accept(socket: Socket, source: SocketAddress, acceptedOn: SocketAddress): void {
    this.#serve(socket, source, acceptedOn).catch((error: unknown) => {
      socket.destroy()
      this.#settings.onRefused?.({ peer: undefined, source, target: undefined, reason: reasonOf(error) })
    })
  }

  /** Tunnels are told to go elsewhere, requests inside of them finish. */
  async drain(order: DrainOrder): Promise<void> {
    this.#draining = order
    const tunnels = [...this.#open].map(({ connection }) => connection.drain(order))
    await Promise.all([this.connections.drain(order), ...tunnels])
  }

  async #serve(socket: Socket, source: SocketAddress, acceptedOn: SocketAddress): Promise<void> {
    const { clock, certificate, revocation } = this.#settings
    const tunnel = await acceptTunnels(socket, {
      clock,
      certificate: await certificate(),
      source,
      acceptedOn,
      revocation,
      gate: this.#gate,
      limits: TUNNEL_LIMITS,
      onChannel: (request) => this.#take(request),
      onMalformed: (reason) => this.#settings.onRefused?.({ peer: undefined, source, target: undefined, reason }),
    })
    this.#open.add(tunnel)
    const stopFollowing =
      tunnel.chain === undefined ? undefined : revocation?.follow(tunnel.chain, () => socket.destroy())
    tunnel.connection.onClosed = () => {
      this.#open.delete(tunnel)
      stopFollowing?.()
    }
    // The order came during the hand-shake.
    if (this.#draining !== undefined) void tunnel.connection.drain(this.#draining)
  }

  #take(request: ChannelRequest): void {
    const { target, peer, source, headers } = request
    const wanted = target.kind === 'address' ? { ip: target.ip } : { hostname: target.hostname }
    const destination = this.#settings.view.destination(wanted, target.port)
    if (destination === undefined) {
      const asked = formatConnectTarget(target)
      request.refuse(404)
      this.#settings.onRefused?.({ peer, source, target: asked, reason: `this waypoint does not serve ${asked}` })
      return
    }
    this.connections.add(request.acceptChannel(), {
      peer,
      source,
      destination,
      baggage: headerValue(headers, 'baggage'),
      dialled: target.kind === 'address' ? { ip: target.ip, port: target.port } : undefined,
    })
  }
}
