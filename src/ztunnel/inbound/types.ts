import type { Service } from '#shared/model'
import type { IpAddress, SocketAddress } from '#shared/net'

/** What to do with an inbound tunnel stream or plaintext connection (hbone-and-ztunnel e.3, e.4). */
export type InboundPlan =
  | {
      readonly kind: 'deliver'
      /** The application's socket; policy looks at this address and port. */
      readonly target: SocketAddress
      /** Where the socket is really opened: `target`, or loopback for an application tunnel. */
      readonly dial: SocketAddress
      /** The client's address to keep, undefined = do not spoof. */
      readonly sourceIp: IpAddress | undefined
      /** The service this connection is counted for. */
      readonly service: Service | undefined
      readonly sendProxyHeader: boolean
    }
  | { readonly kind: 'refuse'; readonly status: 400 | 503; readonly reason: string }
