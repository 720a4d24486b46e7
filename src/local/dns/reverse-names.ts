import { type DomainName, lowerCase } from '#shared/dns'
import { type IpAddress, ipFromBytes } from '#shared/net'

const IPV4 = ['in-addr', 'arpa']
const IPV6 = ['ip6', 'arpa']

/** The address that `2.1.244.10.in-addr.arpa` or an `ip6.arpa` name stands for; undefined for every other name. */
export function addressOfReverse(name: DomainName): IpAddress | undefined {
  const labels = name.map(lowerCase)
  const zone = labels.slice(-2).join('.')
  const digits = labels.slice(0, -2).toReversed()
  if (zone === IPV4.join('.')) {
    const isAddress = digits.length === 4 && digits.every((digit) => /^(0|[1-9][0-9]{0,2})$/.test(digit))
    const bytes = digits.map(Number)
    return isAddress && bytes.every((byte) => byte <= 255) ? ipFromBytes(Uint8Array.from(bytes)) : undefined
  }
  if (zone !== IPV6.join('.') || digits.length !== 32 || !digits.every((digit) => /^[0-9a-f]$/.test(digit)))
    return undefined
  return ipFromBytes(Buffer.from(digits.join(''), 'hex'))
}
