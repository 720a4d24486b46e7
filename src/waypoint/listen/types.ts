import type { Closer, Drainable } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { ByteChannel, SocketAddress } from '#shared/net'
import type { Destination } from '../state/index.ts'

export type InnerProtocol = 'http1' | 'http2' | 'tcp'

/** One connection of a client through us: the inside of one CONNECT, or a plain connection in tests and benches. */
export interface InnerConnection {
  /** Proven by mTLS; undefined for a plain connection. */
  readonly peer: SpiffeId | undefined
  /** Of the tunnel's own connection: a tunnel dials from the pod's address (istio-control-plane c.2). */
  readonly source: SocketAddress
  /** What was dialled: its service decides everything, `Host` nothing. */
  readonly destination: Destination
  readonly protocol: InnerProtocol
  readonly channel: ByteChannel
  /** Fields of the CONNECT: `baggage`, `traceparent`; what a client inside the tunnel sends is not among them. */
  readonly baggage: string | undefined
  /** The literal address that was dialled; undefined for a host name. */
  readonly dialled?: SocketAddress | undefined
  /** The name that TLS inside of opaque bytes asks for, in lower case; undefined when it is no TLS or says none. */
  readonly sni?: string | undefined
  /** Of opaque bytes: what `dialForSilent` opened and the server has spoken on, unstarted. Its owner closes it. */
  readonly server?: ByteChannel | undefined
}

/** A connection of which nobody knows yet what is spoken. */
export type UnreadConnection = Omit<InnerConnection, 'protocol' | 'channel' | 'sni' | 'server'>

/** Whoever takes inner connections over, to their end. */
export interface ConnectionOwner {
  /**
   * Opens the way to the server for a client of an undeclared port that says nothing, so that the server can speak first.
   * Undefined when there is none for this client, or its policies say no: `serve` is asked then, and refuses by name.
   */
  dialForSilent?(connection: UnreadConnection): Promise<ByteChannel | undefined>
  /** Must not throw. What is returned is drained with the listener. */
  serve(connection: InnerConnection): Drainable
}

/** An open port. `drain` closes it, tells clients to go elsewhere, and resolves when no connection is left. */
export interface Listener extends Drainable, Closer {
  readonly address: SocketAddress
  /** Inner connections. */
  readonly connectionCount: number
}
