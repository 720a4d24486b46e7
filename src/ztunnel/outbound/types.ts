import type { ConnectTarget } from '#shared/hbone'
import type { Service, SpiffeId, Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'

/** What a connection is about, for logs and metrics; the next hop is described, the service is the one asked for. */
export interface DestinationFacts {
  readonly service: Service | undefined
  readonly servicePort: number | undefined
  /** Next hop: endpoint, waypoint or gateway. */
  readonly workload: Workload | undefined
}

/** What to do with a captured outbound connection (hbone-and-ztunnel e.1). */
export type OutboundPlan =
  | {
      readonly kind: 'tunnel'
      readonly hop: 'endpoint' | 'waypoint'
      /** Where the tunnel is dialled: ip and HBONE port. */
      readonly peer: SocketAddress
      readonly acceptedPeers: readonly SpiffeId[]
      readonly authority: ConnectTarget
      readonly destination: DestinationFacts
    }
  | {
      readonly kind: 'passthrough'
      readonly target: SocketAddress
      readonly destination: DestinationFacts
    }
  | { readonly kind: 'refuse'; readonly reason: string }
