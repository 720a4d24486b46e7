import { type IpAddress, parseIp, parseSocketAddress } from '#shared/net'
import type { Fields } from '../codec/index.ts'

/** Longer lists are nobody's; what is behind so many octets from the right is not looked at. */
const MAX_LIST = 4_096

/**
 * The address of the first client, as far as it is believed: each trusted proxy has added at the end of `x-forwarded-for`
 * whom it saw, so that with `n` of them the `n`th entry from the right is true, and what stands before it is the client's
 * own claim. A list that is shorter, or has no address there, has not come through them all: then it is the peer itself.
 */
export function remoteAddress(peer: IpAddress, fields: Fields, trustedProxies: number): IpAddress {
  if (trustedProxies === 0) return peer
  const lines = fields.values('x-forwarded-for')
  if (lines.length === 0) return peer
  const list = lines.join(',').slice(-MAX_LIST)
  let end = list.length
  for (let hop = 1; ; hop++) {
    const comma = list.lastIndexOf(',', end - 1)
    if (hop === trustedProxies) return addressOf(list.slice(comma + 1, end).trim()) ?? peer
    if (comma <= 0) return peer
    end = comma
  }
}

/** With or without port and brackets. */
function addressOf(text: string): IpAddress | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  return parseIp(bare) ?? parseSocketAddress(text)?.ip
}
