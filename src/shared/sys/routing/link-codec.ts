import { attributesBehind, concat, nested, text, u32, viewOf } from '../netlink/attributes.ts'
import type { Link, VethPair } from './types.ts'

/** struct ifinfomsg: family u8, pad u8, type u16, index i32, flags u32, changed flags u32. */
const IFINFOMSG_BYTES = 16
const IFF_UP = 1

const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_MASTER = 10
const IFLA_LINKINFO = 18
const IFLA_NET_NS_FD = 28
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const VETH_INFO_PEER = 1

export function decodeLink(body: Uint8Array): Link {
  const attributes = attributesBehind(IFINFOMSG_BYTES, body)
  const view = viewOf(body)
  return {
    index: view.getInt32(4, true),
    name: attributes.text(IFLA_IFNAME) ?? '',
    isUp: (view.getUint32(8, true) & IFF_UP) !== 0,
    master: attributes.u32(IFLA_MASTER),
    mtuBytes: attributes.u32(IFLA_MTU) ?? 0,
  }
}

export function encodeVeth({ name, peerName, peerNetns, mtuBytes }: VethPair): Uint8Array {
  const mtu = mtuBytes === undefined ? [] : [u32(IFLA_MTU, mtuBytes)]
  const peer = nested(
    VETH_INFO_PEER,
    header(0, 0, 0),
    text(IFLA_IFNAME, peerName),
    u32(IFLA_NET_NS_FD, peerNetns.fd),
    ...mtu,
  )
  const info = nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, 'veth'), nested(IFLA_INFO_DATA, peer))
  return concat([header(0, 0, 0), text(IFLA_IFNAME, name), ...mtu, info])
}

export function encodeBridge(name: string): Uint8Array {
  return concat([header(0, 0, 0), text(IFLA_IFNAME, name), nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, 'bridge'))])
}

/** What of an existing interface shall be different; nothing for naming it only. */
export function encodeLinkChange(
  index: number,
  change: { readonly isUp?: true; readonly master?: number },
): Uint8Array {
  const flags = change.isUp ? IFF_UP : 0
  const master = change.master === undefined ? [] : [u32(IFLA_MASTER, change.master)]
  return concat([header(index, flags, flags), ...master])
}

function header(index: number, flags: number, changed: number): Uint8Array {
  const bytes = new Uint8Array(IFINFOMSG_BYTES)
  const view = viewOf(bytes)
  view.setInt32(4, index, true)
  view.setUint32(8, flags, true)
  view.setUint32(12, changed, true)
  return bytes
}
