import type { ConnectTarget } from '#shared/hbone'
import type { Service, SpiffeId, Workload } from '#shared/model'
import type { IpFamily, SocketAddress } from '#shared/net'

/** A captured connection and what the node knows about itself. */
export interface OutboundRequest {
  /** The pod's own workload. */
  readonly workload: Workload
  readonly source: SocketAddress
  readonly originalDestination: SocketAddress
  /** The node's own network name (`NETWORK`), empty by default. */
  readonly network: string
  /** The tunnel's own ports in a pod; a loop-back connection to one of them is refused. */
  readonly ownPorts: ReadonlySet<number>
}

/** What decides between endpoints that are equally good. */
export interface Choice {
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Endpoints that have failed this connection already, by uid: they are not picked again. */
  readonly avoided?: ReadonlySet<string> | undefined
  /** Least request: how busy an endpoint is, by uid; of two that are drawn the less busy one is picked. */
  readonly loadOf?: ((uid: string) => number) | undefined
}

/** What a connection is about, for logs and metrics; the next hop is described, the service is the one asked for. */
export interface DestinationFacts {
  readonly service: Service | undefined
  readonly servicePort: number | undefined
  /** Next hop: endpoint, waypoint or gateway. */
  readonly workload: Workload | undefined
}

/** Of a connection whose next hop is a workload of the mesh. */
export interface KnownDestination extends DestinationFacts {
  readonly workload: Workload
}

/** Who and what is asked for behind a network gateway. */
export interface BehindGateway {
  /** Only these may answer there; empty = everybody is refused. */
  readonly acceptedPeers: readonly SpiffeId[]
  /** The service by host name: addresses of another network mean nothing here. */
  readonly authority: ConnectTarget
}

/** A next hop whose address is known only by DNS; `planResolved` finishes the plan with one of its addresses. */
export type UnresolvedHop = {
  readonly workload: Workload
  /** The service through which the hop was picked; undefined when it was addressed itself. */
  readonly hopService: Service | undefined
  /** The hop's own port: the application's, or a waypoint's or gateway's HBONE port. */
  readonly port: number
  readonly originalDestination: SocketAddress
  readonly destination: KnownDestination
} & ({ readonly hop: 'endpoint' | 'waypoint' } | { readonly hop: 'gateway'; readonly behind: BehindGateway })

interface TunnelFacts {
  /** Where the tunnel is dialled: ip and HBONE port. */
  readonly peer: SocketAddress
  /** Never empty; any one of them may answer (d.2). */
  readonly acceptedPeers: readonly SpiffeId[]
  readonly destination: KnownDestination
  /** The service through which the hop was picked, which may have other endpoints. */
  readonly hopService: Service | undefined
}

/** What to do with a captured outbound connection (hbone-and-ztunnel e.1). */
export type OutboundPlan =
  | ({
      readonly kind: 'tunnel'
      readonly hop: 'endpoint' | 'waypoint'
      readonly authority: ConnectTarget
    } & TunnelFacts)
  /** To the gateway of another network, and inside that tunnel another one to the destination (d.7). */
  | ({ readonly kind: 'double-tunnel'; readonly behind: BehindGateway } & TunnelFacts)
  | {
      readonly kind: 'passthrough'
      readonly target: SocketAddress
      readonly destination: DestinationFacts
      readonly hopService: Service | undefined
    }
  | {
      /** The picked hop has a host name and no address: look it up, pick one address, call `planResolved`. */
      readonly kind: 'resolve'
      readonly hostname: string
      /** Families that may be used, the preferred one first. */
      readonly families: readonly IpFamily[]
      readonly unresolved: UnresolvedHop
    }
  | { readonly kind: 'refuse'; readonly reason: string }

/** A plan that can be acted on at once. */
export type SettledPlan = Exclude<OutboundPlan, { kind: 'resolve' }>

/** A plan that leads somewhere. */
export type ReachingPlan = Exclude<SettledPlan, { kind: 'refuse' }>
