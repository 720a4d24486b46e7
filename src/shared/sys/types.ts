import type { Closer } from '#shared/lifecycle'
import type { IpAddress, OnRead } from '#shared/net'

/** An open handle on a network namespace. */
export interface Netns {
  /** `<dev>:<inode>` of the namespace: equal for two handles on the same one. */
  readonly id: string
  /** The descriptor; owned by this object. */
  readonly fd: number
  /** Runs `work` inside; synchronous, so that nothing else on this thread runs in there. */
  run<T>(work: () => T): T
  close(): void
}

/** TCP keepalive of a connection. */
export interface KeepAlive {
  /** Silence before the first probe, and between probes; whole seconds are what the kernel counts. */
  readonly idleMs: number
  readonly intervalMs: number
  /** Probes without an answer after which the connection is lost. */
  readonly probes: number
}

/** Options of a listening socket made in a namespace. Accepted connections inherit mark, TCP_NODELAY and keepalive. */
export interface ListenOptions {
  /** `::` gives one dual-stack socket, `0.0.0.0` IPv4 only. */
  readonly ip: IpAddress
  readonly port: number
  /** SO_MARK; ztunnel's is 0x539. Needs CAP_NET_ADMIN. */
  readonly mark?: number
  /** IP_TRANSPARENT, best effort. */
  readonly transparent?: boolean
  readonly reusePort?: boolean
  readonly backlog?: number
  readonly keepAlive?: KeepAlive
}

/** Options of a connection made from a namespace. */
export interface DialOptions {
  readonly mark?: number
  /** A foreign source address (IP_TRANSPARENT, port 0). */
  readonly source?: IpAddress
  /**
   * `source` stands for a client of this very namespace, and the answers come back through loopback: the socket is bound
   * to it, best effort. The kernel then takes a port again a second after its connection has ended (tcp_tw_reuse, which
   * is for loopback by default), where it would keep it for a minute: 28,000 of them to one port, 470 a second, are few.
   * IPv4 only: an IPv6 address is a local route of its own device, which a socket of loopback does not find.
   */
  readonly throughLoopback?: boolean
  /** Reads into buffers of the caller's from the first byte on. */
  readonly onread?: OnRead
  readonly keepAlive?: KeepAlive
}

/** Options of a UDP socket made in a namespace. */
export interface DatagramOptions {
  /** SO_MARK; ztunnel's is 0x539. Needs CAP_NET_ADMIN. */
  readonly mark?: number
}

/** Of one that receives at an address. */
export interface DatagramListenOptions extends DatagramOptions {
  readonly ip: IpAddress
  readonly port: number
  readonly reusePort?: boolean
}

/** One packet of a SOCK_SEQPACKET connection. */
export interface SeqPacketMessage {
  readonly bytes: Uint8Array
  /** Descriptors that came with it; the receiver owns and closes them. */
  readonly fds: readonly number[]
  /** The packet was longer than the buffer. */
  readonly isTruncated: boolean
}

export interface SeqPacketConnection extends Closer {
  /** @throws MeshError `SYSCALL_FAILED` */
  send(bytes: Uint8Array, fds?: readonly number[]): Promise<void>
  /** The next packet; undefined at the end of the stream. One call at a time. */
  receive(signal?: AbortSignal): Promise<SeqPacketMessage | undefined>
}

export interface SeqPacketListener extends Closer {
  accept(signal?: AbortSignal): Promise<SeqPacketConnection | undefined>
}
