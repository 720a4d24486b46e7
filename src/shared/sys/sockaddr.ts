import { type IpAddress, ipFamily, ipFromBytes, ipToBytes, type SocketAddress } from '#shared/net'

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10

/** sizeof(struct sockaddr_in6): the longest IP socket address. */
export const SOCKADDR_BYTES = 28

/** `struct sockaddr_in` (16 bytes) or `sockaddr_in6` (28 bytes). */
export function encodeSockaddr(ip: IpAddress, port: number): Uint8Array {
  const isIpv6 = ipFamily(ip) === 6
  const bytes = new Uint8Array(isIpv6 ? SOCKADDR_BYTES : 16)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, isIpv6 ? AF_INET6 : AF_INET, true)
  view.setUint16(2, port)
  bytes.set(ipToBytes(ip), isIpv6 ? 8 : 4)
  return bytes
}

/** Reads either form; an IPv4-mapped address comes back as IPv4; undefined for any other family. */
export function decodeSockaddr(bytes: Uint8Array): SocketAddress | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const family = view.getUint16(0, true)
  const ip =
    family === AF_INET
      ? ipFromBytes(bytes.subarray(4, 8))
      : family === AF_INET6
        ? ipFromBytes(bytes.subarray(8, 24))
        : undefined
  return ip === undefined ? undefined : { ip, port: view.getUint16(2) }
}
