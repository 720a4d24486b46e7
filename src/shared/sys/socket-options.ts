import { type IpAddress, type IpFamily, ipFamily } from '#shared/net'
import { check, failure, libc } from './libc.ts'
import { AF_INET, AF_INET6 } from './sockaddr.ts'
import type { KeepAlive, Netns } from './types.ts'

export const SOL_SOCKET = 1
export const SOL_IP = 0
const SOL_TCP = 6
export const SOL_IPV6 = 41

const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000

/** Options that take an int. */
export type SocketOption =
  | 'SO_REUSEADDR'
  | 'SO_REUSEPORT'
  | 'SO_MARK'
  | 'SO_KEEPALIVE'
  | 'SO_BINDTOIFINDEX'
  | 'TCP_NODELAY'
  | 'TCP_KEEPIDLE'
  | 'TCP_KEEPINTVL'
  | 'TCP_KEEPCNT'
  | 'IP_TRANSPARENT'
  | 'IP_BIND_ADDRESS_NO_PORT'
  | 'IPV6_V6ONLY'
  | 'IPV6_TRANSPARENT'

/** Level and name of each (asm-generic/socket.h, linux/in.h, linux/in6.h, linux/tcp.h). */
const optionNumbers: Readonly<Record<SocketOption, readonly [level: number, name: number]>> = {
  SO_REUSEADDR: [SOL_SOCKET, 2],
  SO_REUSEPORT: [SOL_SOCKET, 15],
  SO_MARK: [SOL_SOCKET, 36],
  SO_KEEPALIVE: [SOL_SOCKET, 9],
  SO_BINDTOIFINDEX: [SOL_SOCKET, 62],
  TCP_NODELAY: [SOL_TCP, 1],
  TCP_KEEPIDLE: [SOL_TCP, 4],
  TCP_KEEPINTVL: [SOL_TCP, 5],
  TCP_KEEPCNT: [SOL_TCP, 6],
  IP_TRANSPARENT: [SOL_IP, 19],
  IP_BIND_ADDRESS_NO_PORT: [SOL_IP, 24],
  IPV6_V6ONLY: [SOL_IPV6, 26],
  IPV6_TRANSPARENT: [SOL_IPV6, 75],
}

/** A non-blocking TCP socket of that address's family, made in `netns`: it stays there for life. */
export function tcpSocketIn(netns: Netns, ip: IpAddress): number {
  return netns.run(() => tcpSocket(ip))
}

/** The same, in the namespace that this thread is in. */
export function tcpSocket(ip: IpAddress): number {
  const family = ipFamily(ip) === 6 ? AF_INET6 : AF_INET
  return check(libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
}

/** A non-blocking UDP socket, made in `netns`: it stays there for life. */
export function udpSocketIn(netns: Netns, family: IpFamily): number {
  const domain = family === 6 ? AF_INET6 : AF_INET
  return netns.run(() => check(libc.socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket'))
}

/** Read within the call: memory of its own for each would be moved out of the heap for the kernel. */
const optionValue = new Int32Array(1)

/** @throws MeshError `SYSCALL_FAILED` */
export function setOption(fd: number, option: SocketOption, value: number): void {
  if (trySetOption(fd, option, value) < 0) throw failure(`setsockopt ${option}`)
}

/** The same, giving -1 where the kernel refuses. */
export function trySetOption(fd: number, option: SocketOption, value: number): number {
  const [level, name] = optionNumbers[option]
  optionValue[0] = value
  return libc.setsockopt(fd, level, name, optionValue, 4)
}

/** Probes a silent peer; seconds are the kernel's unit, and it takes 1 to 32,767 of them. */
export function setKeepAlive(fd: number, { idleMs, intervalMs, probes }: KeepAlive): void {
  setOption(fd, 'SO_KEEPALIVE', 1)
  setOption(fd, 'TCP_KEEPIDLE', seconds(idleMs))
  setOption(fd, 'TCP_KEEPINTVL', seconds(intervalMs))
  setOption(fd, 'TCP_KEEPCNT', probes)
}

function seconds(ms: number): number {
  return Math.min(Math.max(Math.round(ms / 1000), 1), 32_767)
}
