import { cidrFromBytes, ipFromBytes, ipToBytes } from '#shared/net'
import { attribute, attributesBehind, concat, u32 } from '../netlink/attributes.ts'
import { AF_INET, AF_INET6 } from '../sockaddr.ts'
import type { Route, RouteType } from './types.ts'

/** struct rtmsg: family, destination and source prefix lengths, tos, table, protocol, scope, type (all u8), flags u32. */
const RTMSG_BYTES = 12
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_TABLE = 15
/** The kernel's RT_TABLE_COMPAT: the number is in RTA_TABLE. */
const TABLE_IN_ATTRIBUTE = 252
const RTPROT_STATIC = 4
const RTM_F_CLONED = 0x200

const types: Readonly<Record<RouteType, number>> = { unicast: 1, local: 2, unreachable: 7 }
const scopes = { universe: 0, link: 253, host: 254 } as const

/** @param index of `route.link` */
export function encodeRoute(route: Route, index: number | undefined): Uint8Array {
  const { destination, via, table, type } = route
  const header = new Uint8Array(RTMSG_BYTES)
  header.set([
    destination.family === 4 ? AF_INET : AF_INET6,
    destination.prefixBits,
    0,
    0,
    Math.min(table, TABLE_IN_ATTRIBUTE),
  ])
  header.set([RTPROT_STATIC, scopeOf(route), types[type]], 5)
  return concat([
    header,
    u32(RTA_TABLE, table),
    ...(destination.prefixBits === 0 ? [] : [attribute(RTA_DST, destination.network)]),
    ...(index === undefined ? [] : [u32(RTA_OIF, index)]),
    ...(via === undefined ? [] : [attribute(RTA_GATEWAY, ipToBytes(via))]),
  ])
}

/** Undefined for a route of another type (broadcast, multicast…), with several next hops, or from the cache. */
export function decodeRoute(body: Uint8Array, names: ReadonlyMap<number, string>): Route | undefined {
  const attributes = attributesBehind(RTMSG_BYTES, body)
  const type = (Object.keys(types) as RouteType[]).find((key) => types[key] === body[7])
  const addressBytes = body[0] === AF_INET ? 4 : 16
  const destination = cidrFromBytes(attributes.bytes(RTA_DST) ?? new Uint8Array(addressBytes), body[1] ?? 0)
  const isCached = ((body[9] ?? 0) & (RTM_F_CLONED >> 8)) !== 0
  if (type === undefined || destination === undefined || isCached) return undefined
  const [gateway, index] = [attributes.bytes(RTA_GATEWAY), attributes.u32(RTA_OIF)]
  return {
    type,
    destination,
    via: gateway === undefined ? undefined : ipFromBytes(gateway),
    // The kernel files IPv6 `unreachable` routes under `lo`.
    link: index === undefined || type === 'unreachable' ? undefined : names.get(index),
    table: attributes.u32(RTA_TABLE) ?? body[4] ?? 0,
  }
}

/** How far the destination is: IPv4 refuses a next hop in a narrower scope; IPv6 ignores it. */
function scopeOf({ type, via }: Route): number {
  if (type === 'local') return scopes.host
  return type === 'unicast' && via === undefined ? scopes.link : scopes.universe
}
