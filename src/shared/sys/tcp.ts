import { Socket, type SocketConstructorOpts } from 'node:net'
import { formatSocketAddress, type IpAddress, ipFamily, type SocketAddress } from '#shared/net'
import { check, failure, libc } from './libc.ts'
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES, writeSockaddr } from './sockaddr.ts'
import { SOL_IP, SOL_IPV6, setKeepAlive, setOption, tcpSocket, tcpSocketIn, trySetOption } from './socket-options.ts'
import { SyscallError } from './syscall-error.ts'
import type { DialOptions, ListenOptions, Netns } from './types.ts'

const DEFAULT_BACKLOG = 128
/** Of `lo` in every network namespace (include/net/flow.h LOOPBACK_IFINDEX). */
const LOOPBACK_INDEX = 1
/** Of both protocols: netfilter_ipv4.h SO_ORIGINAL_DST, ip6_tables.h IP6T_SO_ORIGINAL_DST. */
const SO_ORIGINAL_DST = 80

/** Filled and read within one call: memory of its own for each would be moved out of the heap for the kernel. */
const answer = new Uint8Array(SOCKADDR_BYTES)
const wanted = new Uint8Array(SOCKADDR_BYTES)
const answerBytes = new Uint32Array(1)

/**
 * A listening TCP socket in `netns`, for `net.Server.listen({ fd })`, which then owns it.
 *
 * Two processes may listen side by side when both set `reusePort`: that is how a new tunnel takes over from an old one.
 * @throws MeshError `SYSCALL_FAILED`; no descriptor is left behind
 */
export function listenIn(netns: Netns, options: ListenOptions): number {
  return listening(tcpSocketIn(netns, options.ip), options)
}

/**
 * As `listenIn`, in the namespace that this thread is in; needs no rights, as nothing is entered.
 * @throws MeshError `SYSCALL_FAILED`; no descriptor is left behind
 */
export function listenHere(options: ListenOptions): number {
  return listening(tcpSocket(options.ip), options)
}

function listening(socket: number, options: ListenOptions): number {
  return closedOnError(socket, (fd) => {
    setOption(fd, 'SO_REUSEADDR', 1)
    if (options.reusePort) setOption(fd, 'SO_REUSEPORT', 1)
    if (options.mark !== undefined) setOption(fd, 'SO_MARK', options.mark)
    // Inherited by what is accepted, which saves five calls for each connection.
    setOption(fd, 'TCP_NODELAY', 1)
    if (options.keepAlive !== undefined) setKeepAlive(fd, options.keepAlive)
    if (ipFamily(options.ip) === 6) setOption(fd, 'IPV6_V6ONLY', 0)
    // One bit in the kernel, whichever family sets it; without the capability the listener still serves.
    if (options.transparent) trySetOption(fd, 'IP_TRANSPARENT', 1)
    const address = encodeSockaddr(options.ip, options.port)
    check(libc.bind(fd, address, address.length), `bind ${formatSocketAddress(options)}`)
    check(libc.listen(fd, options.backlog ?? DEFAULT_BACKLOG), `listen ${formatSocketAddress(options)}`)
    return fd
  })
}

/**
 * A TCP connection from `netns` to `target`, connecting when this returns: `connect` or `error` follow as usual. It has
 * TCP_NODELAY, and stays half-open: whoever uses it ends it.
 *
 * @throws MeshError `SYSCALL_FAILED` when the socket cannot be prepared (no CAP_NET_ADMIN for a mark, a source of the
 *   other family); no descriptor is left behind
 */
export function connectFrom(netns: Netns, target: SocketAddress, options: DialOptions = {}): Socket {
  const socket = closedOnError(tcpSocketIn(netns, target.ip), (fd) => {
    if (options.mark !== undefined) setOption(fd, 'SO_MARK', options.mark)
    setOption(fd, 'TCP_NODELAY', 1)
    if (options.keepAlive !== undefined) setKeepAlive(fd, options.keepAlive)
    if (options.source !== undefined) bindForeign(fd, options.source, target.ip)
    if (options.throughLoopback && ipFamily(target.ip) === 4) trySetOption(fd, 'SO_BINDTOIFINDEX', LOOPBACK_INDEX)
    // From here the Socket owns the descriptor and closes it with itself.
    return new Socket(constructorOptions(fd, options))
  })
  return socket.connect({ host: target.ip, port: target.port })
}

/**
 * Where an accepted connection was going before the redirect in its namespace.
 *
 * @param fd of the connection, from `RawConnection.fd`
 * @returns the address that conntrack remembers (IPv4, then IPv6), else the local address: then it was not redirected.
 *   IPv4-mapped addresses come back as IPv4
 * @throws MeshError `SYSCALL_FAILED` when the socket is already closed
 */
export function originalDestination(fd: number): SocketAddress {
  answerBytes[0] = SOCKADDR_BYTES
  if (libc.getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, answer, answerBytes) < 0) {
    answerBytes[0] = SOCKADDR_BYTES
    if (libc.getsockopt(fd, SOL_IPV6, SO_ORIGINAL_DST, answer, answerBytes) < 0) {
      answerBytes[0] = SOCKADDR_BYTES
      check(libc.getsockname(fd, answer, answerBytes), 'getsockname')
    }
  }
  const found = decodeSockaddr(answer)
  if (found === undefined) throw new SyscallError('original destination of a socket that is not TCP', 'EAFNOSUPPORT')
  return found
}

/** Speaks from an address that is not this namespace's; the port is chosen at connect time, so none is used up here. */
function bindForeign(fd: number, source: IpAddress, target: IpAddress): void {
  if (ipFamily(source) !== ipFamily(target)) {
    throw new SyscallError(`bind to ${source} for a connection to ${target}`, 'EAFNOSUPPORT')
  }
  const isIpv6 = ipFamily(source) === 6
  // It allows the foreign address and the way back; FREEBIND would add nothing.
  setOption(fd, isIpv6 ? 'IPV6_TRANSPARENT' : 'IP_TRANSPARENT', 1)
  setOption(fd, 'IP_BIND_ADDRESS_NO_PORT', 1)
  if (libc.bind(fd, wanted, writeSockaddr(wanted, source, 0)) < 0) throw failure(`bind to the source ${source}`)
}

/** `manualStart` is not in Node's documentation; without it Node reads from the descriptor before it is connected. */
function constructorOptions(fd: number, { onread }: DialOptions): SocketConstructorOpts {
  const options = {
    fd,
    manualStart: true,
    allowHalfOpen: true,
    ...(onread === undefined ? {} : { onread }),
  }
  return options
}

function closedOnError<T>(fd: number, prepare: (fd: number) => T): T {
  try {
    return prepare(fd)
  } catch (error) {
    libc.close(fd)
    throw error
  }
}
