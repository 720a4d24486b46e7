import type { Socket } from 'node:net'
import type { Closer, Drain, DrainOrder, Seated } from '#shared/lifecycle'
import type { OnRead, SocketAddress } from '#shared/net'
import type { KeepAlive, Netns } from '#shared/sys'
import type { WorkloadInfo } from '#shared/zds'

/** A pod of this node that the tunnel serves. */
export interface LocalPod {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly netns: Netns
  /** What runs for this pod: each way enters its work and leaves it at the end, so that a drain can wait and cut. */
  readonly work: Drain<PodWork>
  /** What lives as long as the pod: closed when the last of its work has ended, before its namespace is let go. */
  readonly belongings: Closer[]
}

/** One running piece of a pod: a connection, or a tunnel with its streams. */
export interface PodWork extends Seated {
  /** Draining has begun and there is time: no new work is to come out of this piece. Connections just go on. */
  readonly drain?: (order: DrainOrder) => void
  /** Ends it at once. */
  cut(reason: 'drain' | 'pod-removed'): void
}

/** An accepted connection of which nothing has been read. Exactly one of the three calls is made, once. */
export interface AcceptedSocket {
  /** A socket that reads into the caller's buffers; reading starts with `resume()`. */
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

/** Ports that the tunnel listens on in each pod, and how its sockets are made there. */
export interface CaptureSettings {
  readonly outboundPort: number
  readonly plaintextPort: number
  readonly hbonePort: number
  readonly isIpv6Enabled: boolean
  /** SO_MARK, by which the redirect rules know the tunnel's own packets; 0 = none. */
  readonly packetMark: number
  /** SO_REUSEPORT, so that the next tunnel can listen before this one has stopped. */
  readonly isPortShared: boolean
  readonly isSourceKept: boolean
  /** Of captured connections; tunnels have HTTP/2 PING instead. Undefined = none. */
  readonly keepAlive: KeepAlive | undefined
}
