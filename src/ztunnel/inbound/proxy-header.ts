import type { SpiffeId } from '#shared/model'
import { encodeProxyHeader, PROXY_VALUE_PEER_ID, type SocketAddress } from '#shared/net'

/** What an application that takes the PROXY protocol is told about a connection. */
export interface ProxyHeaderFacts {
  readonly source: SocketAddress
  readonly destination: SocketAddress
  readonly peer: SpiffeId
}

/** The PROXY v2 header that goes before the first byte (hbone-and-ztunnel d.9). */
export function proxyHeader({ source, destination, peer }: ProxyHeaderFacts): Buffer {
  return encodeProxyHeader({
    ends: { source, destination },
    values: [{ type: PROXY_VALUE_PEER_ID, value: Buffer.from(peer) }],
  })
}
