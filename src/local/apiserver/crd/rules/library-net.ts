import type { Environment } from '@marcbachmann/cel-js'
import type { IpAddress } from '#shared/net'
import { type Cidr, cidrContains, formatCidr, ipFamily, ipToBytes, isLoopback, parseCidr, parseIp } from '#shared/net'

/** An address as a value of CEL. */
class Ip {
  readonly address: IpAddress

  constructor(address: IpAddress) {
    this.address = address
  }
}

/** A network as a value of CEL; `address` keeps the host bits that were written. */
class Network {
  readonly cidr: Cidr
  readonly address: IpAddress

  constructor(cidr: Cidr, address: IpAddress) {
    this.cidr = cidr
    this.address = address
  }
}

class Namespace {}

/** The functions `ip`, `isIP`, `cidr`, `isCIDR`, `url`, `isURL` and their methods, as Kubernetes' CEL libraries have them. */
export function registerNet(env: Environment): void {
  env.registerType('net.IP', Ip).registerType('net.CIDR', Network).registerType('URL', URL)
  registerIp(env)
  registerCidr(env)
  registerUrl(env)
}

function registerIp(env: Environment): void {
  env
    .registerType('IpNamespace', Namespace)
    .registerConstant('ip', 'IpNamespace', new Namespace())
    .registerFunction('isIP(string): bool', (text: string) => readIp(text) !== undefined)
    .registerFunction('ip(string): net.IP', (text: string) => new Ip(must(readIp(text), `IP Address ${shown(text)}`)))
    .registerFunction('string(net.IP): string', ({ address }: Ip) => address)
    .registerFunction('IpNamespace.isCanonical(string): bool', (_: Namespace, text: string) => readIp(text) === text)
    .registerFunction('net.IP.family(): int', ({ address }: Ip) => BigInt(ipFamily(address)))
    .registerFunction('net.IP.isUnspecified(): bool', ({ address }: Ip) =>
      ipToBytes(address).every((byte) => byte === 0),
    )
    .registerFunction('net.IP.isLoopback(): bool', ({ address }: Ip) => isLoopback(address))
    .registerFunction('net.IP.isLinkLocalUnicast(): bool', ({ address }: Ip) => isIn(address, LINK_LOCAL))
    .registerFunction('net.IP.isLinkLocalMulticast(): bool', ({ address }: Ip) => isIn(address, LINK_LOCAL_MULTICAST))
    .registerFunction('net.IP.isGlobalUnicast(): bool', ({ address }: Ip) => isGlobalUnicast(address))
    .registerOperator('net.IP == net.IP', (a: Ip, b: Ip) => a.address === b.address)
}

function registerCidr(env: Environment): void {
  env
    .registerFunction('isCIDR(string): bool', (text: string) => readCidr(text) !== undefined)
    .registerFunction('cidr(string): net.CIDR', (text: string) => must(readCidr(text), `CIDR ${shown(text)}`))
    .registerFunction('string(net.CIDR): string', ({ cidr, address }: Network) => `${address}/${cidr.prefixBits}`)
    .registerFunction('net.CIDR.containsIP(net.IP): bool', ({ cidr }: Network, { address }: Ip) =>
      cidrContains(cidr, address),
    )
    .registerFunction('net.CIDR.containsIP(string): bool', ({ cidr }: Network, text: string) =>
      cidrContains(cidr, must(readIp(text), `IP Address ${shown(text)}`)),
    )
    .registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', (a: Network, b: Network) => isWithin(a, b))
    .registerFunction('net.CIDR.containsCIDR(string): bool', (a: Network, text: string) =>
      isWithin(a, must(readCidr(text), `CIDR ${shown(text)}`)),
    )
    .registerFunction('net.CIDR.ip(): net.IP', ({ address }: Network) => new Ip(address))
    .registerFunction('net.CIDR.masked(): net.CIDR', ({ cidr }: Network) => must(readCidr(formatCidr(cidr)), 'CIDR'))
    .registerFunction('net.CIDR.prefixLength(): int', ({ cidr }: Network) => BigInt(cidr.prefixBits))
    .registerOperator('net.CIDR == net.CIDR', (a: Network, b: Network) => formatCidr(a.cidr) === formatCidr(b.cidr))
}

function registerUrl(env: Environment): void {
  env
    .registerFunction('isURL(string): bool', (text: string) => readUrl(text) !== undefined)
    .registerFunction('url(string): URL', (text: string) => must(readUrl(text), `URL ${shown(text)}`))
    .registerFunction('URL.getScheme(): string', (url: URL) => url.protocol.replace(/:$/, ''))
    .registerFunction('URL.getHost(): string', (url: URL) => url.host)
    .registerFunction('URL.getHostname(): string', (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1'))
    .registerFunction('URL.getPort(): string', (url: URL) => url.port)
    .registerFunction('URL.getEscapedPath(): string', (url: URL) => url.pathname)
    .registerFunction('URL.getQuery(): map<string, list<string>>', (url: URL) => {
      const names = [...new Set(url.searchParams.keys())]
      return new Map(names.map((name) => [name, url.searchParams.getAll(name)]))
    })
}

const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10']
const LINK_LOCAL_MULTICAST = ['224.0.0.0/24', 'ff02::/16']
const NOT_GLOBAL = ['0.0.0.0/32', '255.255.255.255/32', '127.0.0.0/8', '224.0.0.0/4', '::/128', '::1/128', 'ff00::/8']

function isIn(address: IpAddress, networks: readonly string[]): boolean {
  return networks.some((text) => {
    const cidr = parseCidr(text)
    return cidr !== undefined && cidrContains(cidr, address)
  })
}

function isGlobalUnicast(address: IpAddress): boolean {
  return !isIn(address, NOT_GLOBAL) && !isIn(address, LINK_LOCAL)
}

/** Kubernetes takes neither zones nor IPv4 written as IPv6. */
function readIp(text: string): IpAddress | undefined {
  return /^::ffff:\d+\./i.test(text) ? undefined : parseIp(text)
}

function readCidr(text: string): Network | undefined {
  const address = readIp(text.split('/')[0] ?? '')
  const cidr = text.includes('/') ? parseCidr(text) : undefined
  return cidr === undefined || address === undefined ? undefined : new Network(cidr, address)
}

function isWithin(outer: Network, inner: Network): boolean {
  return inner.cidr.prefixBits >= outer.cidr.prefixBits && cidrContains(outer.cidr, inner.address)
}

/** An absolute URI, or an absolute path. */
function readUrl(text: string): URL | undefined {
  if (URL.canParse(text)) return new URL(text)
  return text.startsWith('/') && URL.canParse(text, 'none://') ? new URL(text, 'none://') : undefined
}

function must<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} parse error during conversion from string`)
  return value
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}
