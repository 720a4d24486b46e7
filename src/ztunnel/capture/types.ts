import type { Socket } from 'node:net'
import type { Closer, Drainable } from '#shared/lifecycle'
import type { OnRead, SocketAddress } from '#shared/net'
import type { Netns } from '#shared/sys'
import type { WorkloadInfo } from '#shared/zds'

/** A pod of this node that the tunnel serves. */
export interface LocalPod {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly netns: Netns
}

/** An accepted connection of which nothing has been read. Exactly one of the three calls is made, once. */
export interface AcceptedSocket {
  /** A socket that reads into the caller's buffers; reading starts with `read(0)`. */
  adopt(onread: OnRead): Socket
  /** Closes with RST, so that the application sees a refused connection. */
  reset(): void
  /** Closes with FIN. */
  close(): void
}

/** What 15001 (outbound) and 15006 (plaintext) give. */
export interface CapturedConnection {
  readonly pod: LocalPod
  readonly source: SocketAddress
  readonly originalDestination: SocketAddress
  readonly accepted: AcceptedSocket
}

/** What 15008 gives: TLS is still to come. */
export interface CapturedTunnel {
  readonly pod: LocalPod
  readonly source: SocketAddress
  readonly acceptedOn: SocketAddress
  /** Paused, unread. */
  readonly socket: Socket
}

/** The ways that captured connections take. None of them may throw; none is awaited. */
export interface CaptureHandlers {
  outbound(connection: CapturedConnection): void
  plaintext(connection: CapturedConnection): void
  tunnel(tunnel: CapturedTunnel): void
}

/** The listeners of one pod. */
export interface PodListeners extends Closer, Drainable {
  readonly pod: LocalPod
}
