import type { SpiffeId } from '#shared/model'
import { ipFamily, ipToBytes, type SocketAddress } from '#shared/net'

/** What an application that takes the PROXY protocol is told about a connection. */
export interface ProxyHeaderFacts {
  readonly source: SocketAddress
  readonly destination: SocketAddress
  readonly peer: SpiffeId
}

/** PROXY protocol specification §2.2: the signature of version 2. */
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const VERSION_2_PROXY = 0x21
const TCP_OVER_IPV4 = 0x11
const TCP_OVER_IPV6 = 0x21
const UNSPECIFIED = 0x00
/** Istio's type for the source's SPIFFE id (hbone-and-ztunnel d.9). */
const TLV_PEER_ID = 0xd0

/** The PROXY v2 header that goes before the first byte; ends of different families are not told. */
export function proxyHeader({ source, destination, peer }: ProxyHeaderFacts): Buffer {
  const family = ipFamily(source.ip)
  const isSame = family === ipFamily(destination.ip)
  const addresses = isSame
    ? Buffer.concat([ipToBytes(source.ip), ipToBytes(destination.ip), uint16(source.port), uint16(destination.port)])
    : Buffer.alloc(0)
  const id = Buffer.from(peer)
  const payload = Buffer.concat([addresses, Buffer.from([TLV_PEER_ID]), uint16(id.length), id])
  const protocol = !isSame ? UNSPECIFIED : family === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6
  return Buffer.concat([SIGNATURE, Buffer.from([VERSION_2_PROXY, protocol]), uint16(payload.length), payload])
}

/** A 16-bit number in network order. */
function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
