import { type IpAddress, ipFamily, ipFromBytes, ipToBytes, ipv4At, type SocketAddress } from '#shared/net'

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10

/** sizeof(struct sockaddr_in6): the longest IP socket address. */
export const SOCKADDR_BYTES = 28

/** sizeof(struct sockaddr_in). */
const SOCKADDR_IN_BYTES = 16

/** `struct sockaddr_in` (16 bytes) or `sockaddr_in6` (28 bytes). */
export function encodeSockaddr(ip: IpAddress, port: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_BYTES)
  return bytes.subarray(0, writeSockaddr(bytes, ip, port))
}

/** The same at the start of `into`, which has `SOCKADDR_BYTES`; returns its length. */
export function writeSockaddr(into: Uint8Array, ip: IpAddress, port: number): number {
  const isIpv6 = ipFamily(ip) === 6
  into.fill(0)
  // The family stands in the order of the machine, which is little-endian wherever Node has binaries for us.
  into[0] = isIpv6 ? AF_INET6 : AF_INET
  into[2] = port >> 8
  into[3] = port & 0xff
  into.set(ipToBytes(ip), isIpv6 ? 8 : 4)
  return isIpv6 ? SOCKADDR_BYTES : SOCKADDR_IN_BYTES
}

/** Reads either form; an IPv4-mapped address comes back as IPv4; undefined for any other family. */
export function decodeSockaddr(bytes: Uint8Array): SocketAddress | undefined {
  const family = byteAt(bytes, 0) | (byteAt(bytes, 1) << 8)
  const ip =
    family === AF_INET ? ipv4At(bytes, 4) : family === AF_INET6 ? ipFromBytes(bytes.subarray(8, 24)) : undefined
  return ip === undefined ? undefined : { ip, port: (byteAt(bytes, 2) << 8) | byteAt(bytes, 3) }
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
