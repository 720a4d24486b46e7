import { ipFamily, ipFromBytes, ipToBytes } from '#shared/net'
import { attribute, attributesBehind, concat, viewOf } from '../netlink/attributes.ts'
import { AF_INET, AF_INET6 } from '../sockaddr.ts'
import type { InterfaceAddress } from './types.ts'

/** struct ifaddrmsg: family u8, prefix length u8, flags u8, scope u8, interface index u32. */
const IFADDRMSG_BYTES = 8
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
/** Not probed for duplicates on the link. */
const IFA_F_NODAD = 2
const RT_SCOPE_UNIVERSE = 0
const RT_SCOPE_HOST = 254

export function encodeAddress({ ip, prefixBits }: InterfaceAddress, index: number): Uint8Array {
  const isIpv6 = ipFamily(ip) === 6
  const scope = ip.startsWith('127.') ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE
  const header = Uint8Array.of(isIpv6 ? AF_INET6 : AF_INET, prefixBits, isIpv6 ? IFA_F_NODAD : 0, scope, 0, 0, 0, 0)
  viewOf(header).setUint32(4, index, true)
  const bytes = ipToBytes(ip)
  return concat([header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)])
}

/** Undefined for an address of neither IP family. */
export function decodeAddress(body: Uint8Array, names: ReadonlyMap<number, string>): InterfaceAddress | undefined {
  const attributes = attributesBehind(IFADDRMSG_BYTES, body)
  // IPv6 has only IFA_ADDRESS, except on point-to-point links, where that is the peer's and IFA_LOCAL our own.
  const ip = ipFromBytes(attributes.bytes(IFA_LOCAL) ?? attributes.bytes(IFA_ADDRESS) ?? new Uint8Array())
  const link = names.get(viewOf(body).getUint32(4, true))
  return ip === undefined || link === undefined ? undefined : { link, ip, prefixBits: body[1] ?? 0 }
}
