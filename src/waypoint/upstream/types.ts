import type { Cancellation, Closer, Drainable } from '#shared/lifecycle'
import type { ByteChannel } from '#shared/net'
import type { Picked } from '../balance/index.ts'
import type { HttpClientConnection, RequestHead, UpstreamExchange } from '../codec/index.ts'

/** One request, or one connection of opaque bytes, to an endpoint that balancing has chosen. */
export interface Upstream extends Drainable, Closer {
  /**
   * Sends a request's head on a pooled connection, at once where one is free; the body is the caller's to write.
   *
   * @param lengthBytes of the body; undefined = nobody knows, 0 = there is none
   * @param cancellation gives up what is waited for; what is sent is cancelled by the exchange
   * @throws MeshError `TUNNEL_POOL_UNAVAILABLE` (bounds of the pool reached, closing), `UPSTREAM_CONNECT_FAILED`,
   *   `UPSTREAM_CONNECT_TIMEOUT`, `PEER_UNVERIFIED`, `PEER_REVOKED`, `CERTIFICATE_UNAVAILABLE` and `TUNNEL_*` as
   *   `TunnelPool.connect`; nothing of the request has been sent then
   */
  send(
    to: Picked,
    request: RequestHead,
    lengthBytes: number | undefined,
    cancellation: Cancellation,
  ): UpstreamExchange | Promise<UpstreamExchange>
  /**
   * A connection of its own, for bytes that nobody here understands.
   *
   * @throws MeshError as `send`
   */
  openBytes(to: Picked, cancellation: Cancellation): Promise<ByteChannel>
  /** Every pool with something in it. */
  dump(): readonly PoolDump[]
}

export type HttpProtocol = HttpClientConnection['protocol']

export interface PoolDump {
  readonly cluster: string
  readonly endpoint: string
  readonly uid: string
  readonly protocol: HttpProtocol
  readonly connections: number
  readonly dialing: number
  readonly activeRequests: number
  readonly waiting: number
}
