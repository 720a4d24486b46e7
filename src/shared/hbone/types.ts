import type { Socket } from 'node:net'
import type { H2Stream, HeaderList } from '#shared/http2'
import type { Cancellation, Closer, Drainable } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { ByteChannel, ByteMeter, CopyResult, IpAddress, OnRead, SocketAddress } from '#shared/net'
import type { PeerChain, WorkloadCertificate } from '#shared/pki'
import type { RefusalStatus } from './refuse.ts'

/** Where a CONNECT asks to go: a literal address, or a service by host name. */
export type ConnectTarget =
  | { readonly kind: 'address'; readonly ip: IpAddress; readonly port: number }
  | { readonly kind: 'hostname'; readonly hostname: string; readonly port: number }

/** Whether the certificates of peers are still good: asked at each hand-shake, and told of later. */
export interface Revocation {
  /** What has been revoked of the chain; undefined = nothing that anybody knows of. */
  faultOf(chain: PeerChain): string | undefined
  /** Calls `onRevoked` once, should that come later; the returned function ends it. */
  follow(chain: PeerChain, onRevoked: () => void): () => void
}

/** What tells pooled connections apart (hbone-and-ztunnel d.6). */
export interface PoolKey {
  readonly source: SpiffeId
  /** In order; any one of them may answer. */
  readonly acceptedPeers: readonly SpiffeId[]
  readonly destination: SocketAddress
  /**
   * Whom the tunnel was dialled for. An address that has moved to another workload is another key, so that nothing new
   * goes on a tunnel that still leads to the old one.
   */
  readonly workloadUid: string
  /** The pod's address from which the tunnel is dialled. */
  readonly sourceIp: IpAddress
}

/** What the pool needs besides the key to make a new connection. */
export interface TunnelDialer {
  /** A connecting TCP socket in the pod's namespace, marked. */
  dial(): Socket
  /** The newest certificate of the source identity. @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  certificate(): Promise<WorkloadCertificate>
}

export interface ConnectRequest {
  readonly authority: ConnectTarget
  /** `baggage`, `forwarded`, `traceparent`…, in order. */
  readonly headers: HeaderList
}

/** What is asked inside a tunnel that a network gateway forwards. */
export interface InnerTunnel {
  /** Any one of them may answer behind the gateway. */
  readonly acceptedPeers: readonly SpiffeId[]
  readonly request: ConnectRequest
}

/** A CONNECT that was answered with 200. */
export interface TunnelFacts {
  readonly stream: H2Stream
  readonly responseHeaders: HeaderList
  readonly peer: SpiffeId
  /** Of every peer on the way, the gateway of a double tunnel first; empty when nobody asks about revocation. */
  readonly chains: readonly PeerChain[]
}

export interface TunnelStream extends TunnelFacts {
  /** Keeps what the peer sends until it is bound to a socket. Whoever does not bind it aborts it. */
  readonly pump: StreamPump
}

export interface TunnelChannel extends TunnelFacts {
  /** Keeps what the peer sends until it is started. Whoever does not start it destroys it. */
  readonly channel: ByteChannel
}

export interface TunnelPool extends Drainable, Closer {
  /**
   * One CONNECT over a pooled connection of that key; dials when there is none.
   *
   * @param cancellation gives the request up, not the dial, which others may wait for
   * @throws MeshError `UPSTREAM_CONNECT_FAILED`, `UPSTREAM_CONNECT_TIMEOUT` (TCP, 10 s), `TUNNEL_HANDSHAKE_FAILED`,
   *   `TUNNEL_HANDSHAKE_TIMEOUT` (TLS, 10 s), `PEER_UNVERIFIED`, `PEER_REVOKED`, `TUNNEL_REFUSED` (an answer other than 200, its
   *   message `http status: …`), `TUNNEL_ANSWER_TIMEOUT` (30 s), `TUNNEL_LOST`, `TUNNEL_POOL_UNAVAILABLE` (bounds
   *   reached, closing), `TUNNEL_LOST` when cancelled, and what `dialer` throws
   */
  connect(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    cancellation?: Cancellation,
  ): Promise<TunnelStream>
  /**
   * Double HBONE: one CONNECT to a network gateway over a pooled connection, and inside it, never pooled, a second
   * tunnel to the destination behind the gateway.
   *
   * @param request of the outer tunnel
   * @param cancellation gives both up
   * @throws MeshError as `connect`, of either tunnel
   */
  connectThrough(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    inner: InnerTunnel,
    cancellation?: Cancellation,
  ): Promise<TunnelStream>
  /** As `connect`, for whoever speaks another protocol inside the tunnel. */
  connectChannel(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    cancellation?: Cancellation,
  ): Promise<TunnelChannel>
  /** As `connectThrough`, for whoever speaks another protocol inside the tunnel. */
  connectChannelThrough(
    key: PoolKey,
    dialer: TunnelDialer,
    request: ConnectRequest,
    inner: InnerTunnel,
    cancellation?: Cancellation,
  ): Promise<TunnelChannel>
  /** Pooled connections, for dumps and metrics. */
  readonly connectionCount: number
}

/**
 * One accepted CONNECT, before it is answered. It is answered exactly once, by `accept` or `refuse`. It is cancelled when
 * the peer goes away or resets the stream while we are deciding.
 */
export interface IncomingConnect extends Cancellation {
  readonly peer: SpiffeId
  /** TCP peer of the tunnel connection. */
  readonly source: SocketAddress
  /** The address that the tunnel connection was accepted on. */
  readonly acceptedOn: SocketAddress
  readonly target: ConnectTarget
  readonly headers: HeaderList
  /** END_STREAM with this status, no body. */
  refuse(status: RefusalStatus): void
}

/** A CONNECT whose bytes go to a socket. */
export interface TunnelRequest extends IncomingConnect {
  /** Of the pump that `accept` gives: for the socket that is dialled before the answer. */
  readonly onread: OnRead
  /** 200 with these headers; then the pump carries bytes. */
  accept(headers?: HeaderList): StreamPump
}

/** A CONNECT in which we speak another protocol. */
export interface ChannelRequest extends IncomingConnect {
  /** 200 with these headers; what the peer has sent already waits in the channel. */
  acceptChannel(headers?: HeaderList): ByteChannel
}

/** Called for each well-formed CONNECT; answers by accepting or `refuse`, at any time, once. It must not throw. */
export type TunnelListener =
  | { readonly onTunnel: (request: TunnelRequest) => void }
  | { readonly onChannel: (request: ChannelRequest) => void }

/**
 * Carries bytes between one HTTP/2 stream and one TCP socket, both ways, with half-close and back-pressure:
 * make the socket with `pump.onread`, then `pump.bind(socket)`.
 */
export interface StreamPump {
  /** To be given to the socket when it is made, so that reads go straight behind a reserved frame header. */
  readonly onread: OnRead
  /** Starts copying. The socket must be connected (or connecting) and unread. Resolves when both ways are done. */
  bind(socket: Socket): Promise<CopyResult>
  /** RST_STREAM CANCEL and a closed socket: for policy changes and drains. */
  abort(): void
  /** One side has ended and the other has not. */
  readonly isHalfOpen: boolean
  /** Live counts. `sentBytes` = from the connection's opener to its target. */
  readonly meter: Readonly<ByteMeter>
}
