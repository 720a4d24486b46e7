import { type Cidr, cidrContains, type IpAddress, ipFromBytes, ipToBytes, parseCidr } from '#shared/net'

/**
 * Whoever may write a RequestAuthentication chooses where a waypoint fetches keys from. These places are nobody's issuer, but
 * would let him ask in the waypoint's name: the waypoint itself and its node, and the metadata services of clouds. Private
 * networks are allowed, since issuers run in clusters.
 */
const FORBIDDEN: readonly Cidr[] = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'],
  ...['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'], // metadata of three clouds
  ...['::/128', '::1/128', 'fe80::/10', 'ff00::/8', 'fd00:ec2::/32', 'fd20:ce::/32', '2002::/16'],
].flatMap((text) => parseCidr(text) ?? [])

/** The last four octets of such an address are the IPv4 address behind a translator (RFC 6052). */
const TRANSLATED = parseCidr('64:ff9b::/96')

export function mayFetchFrom(address: IpAddress): boolean {
  if (TRANSLATED !== undefined && cidrContains(TRANSLATED, address)) {
    const behind = ipFromBytes(ipToBytes(address).subarray(12))
    return behind !== undefined && mayFetchFrom(behind)
  }
  return !FORBIDDEN.some((network) => cidrContains(network, address))
}
