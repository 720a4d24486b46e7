import { ipFamily, parseIp } from '#shared/net'

/** Names of DNS have 253 characters at most; brackets and a port come on top. */
const MAX_AUTHORITY = 261
const PLAIN_HOST = /^[a-z0-9_](?:[a-z0-9_-]|\.(?=[a-z0-9_-]))*$/
/** A last label that `inet_aton` reads as a number: `127.1`, `0x7f.1`, `2130706433`. */
const NUMERIC_END = /(?:^|\.)(?:\d+|0x[\da-f]*)$/

/**
 * The one form of an authority: lower case, no dot at the end, the port as a plain number, IPv6 as RFC 5952 writes it. The
 * same text when nothing had to change.
 *
 * @returns undefined for what is no `host[:port]`, or could be read as another one
 */
export function normaliseHost(authority: string): string | undefined {
  if (authority === '') return '' // HTTP/1.0, as the codec lets it through
  if (authority.length > MAX_AUTHORITY) return undefined
  const colon = portColon(authority)
  const port = colon === -1 ? '' : canonicalPort(authority.slice(colon + 1))
  if (port === undefined) return undefined
  const given = colon === -1 ? authority : authority.slice(0, colon)
  const host = given.startsWith('[') ? canonicalIpv6(given) : canonicalName(given)
  if (host === undefined) return undefined
  const length = host.length + port.length
  return length === authority.length && authority.startsWith(host) ? authority : host + port
}

/** An authority in its one form, without its port. */
export function hostOf(authority: string): string {
  const colon = portColon(authority)
  return colon === -1 ? authority : authority.slice(0, colon)
}

/** Where the colon before the port is; -1 without one. */
function portColon(authority: string): number {
  return authority.startsWith('[') ? authority.indexOf(':', authority.indexOf(']')) : authority.indexOf(':')
}

/** With its colon; empty = none. */
function canonicalPort(digits: string): string | undefined {
  if (digits === '') return ''
  if (!/^\d{1,5}$/.test(digits)) return undefined
  const port = Number(digits)
  return port === 0 || port > 65_535 ? undefined : `:${port}`
}

function canonicalName(given: string): string | undefined {
  const lower = given.toLowerCase()
  const name = lower.endsWith('.') ? lower.slice(0, -1) : lower
  if (!PLAIN_HOST.test(name)) return undefined
  return NUMERIC_END.test(name) && parseIp(name) === undefined ? undefined : name
}

/** IPv6 that only wraps IPv4 becomes that. */
function canonicalIpv6(given: string): string | undefined {
  if (!given.endsWith(']')) return undefined
  const inside = given.slice(1, -1)
  const ip = inside.includes(':') ? parseIp(inside) : undefined
  if (ip === undefined) return undefined
  return ipFamily(ip) === 6 ? `[${ip}]` : ip
}
