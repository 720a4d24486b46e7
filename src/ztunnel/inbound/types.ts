import type { ConnectTarget } from '#shared/hbone'
import type { Service, Workload } from '#shared/model'
import type { IpAddress, SocketAddress } from '#shared/net'

/** One CONNECT of an accepted tunnel. */
export interface TunnelledRequest {
  /** The workload whose listener accepted the tunnel. */
  readonly workload: Workload
  /** The node's own network name (`NETWORK`), empty by default. */
  readonly network: string
  /** TCP peer of the tunnel connection. */
  readonly source: SocketAddress
  /** The pod's address and port 15008. */
  readonly acceptedOn: SocketAddress
  readonly target: ConnectTarget
  /** Host of the `forwarded` header: the service that the client says it asked for. */
  readonly forwardedHost: string | undefined
  readonly ownPorts: ReadonlySet<number>
  /** `LOCALHOST_APP_TUNNEL`: an application behind the PROXY protocol is dialled on loopback. */
  readonly isAppTunnelOnLoopback: boolean
}

/** A captured connection that came as plain TCP. */
export interface PlaintextRequest {
  readonly workload: Workload
  readonly source: SocketAddress
  readonly originalDestination: SocketAddress
  readonly ownPorts: ReadonlySet<number>
}

/** What to do with an inbound tunnel stream or plaintext connection (hbone-and-ztunnel e.3, e.4). */
export type InboundPlan =
  | {
      readonly kind: 'deliver'
      /** The application's socket; policy looks at this address and port. */
      readonly target: SocketAddress
      /** Where the socket is really opened: `target`, or loopback for an application tunnel. */
      readonly dial: SocketAddress
      /** The address to dial from when the listener is transparent; undefined = leave it to the kernel. */
      readonly sourceIp: IpAddress | undefined
      /** The service this connection is counted for. */
      readonly service: Service | undefined
      /** Set when the application wants a PROXY header: the destination that it names (d.9). */
      readonly proxiedDestination: SocketAddress | undefined
    }
  | { readonly kind: 'refuse'; readonly status: 400 | 503; readonly reason: string }
