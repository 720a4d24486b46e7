import { isIPv4 } from 'node:net'
import { MeshError } from '#shared/errors'
import { formatSocketAddress, parseIp } from '#shared/net'
import type { ConnectTarget } from './types.ts'

/** A name of the greatest length with its final dot (RFC 1035 §2.3.4), a colon, a port. */
const MAX_AUTHORITY_CHARS = 254 + 1 + 5
const MAX_HOSTNAME_CHARS = 253
/** What is shown of a peer's text. */
const SHOWN_CHARS = 64

const HOST_AND_PORT = /^(\[[^\]]*\]|[^:[\]]+):([1-9][0-9]{0,4})$/
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/**
 * Reads the `:authority` of an HBONE CONNECT: the only place where a tunnel's destination is named, as CONNECT has
 * neither scheme nor path. The port is explicit, IPv6 stands in brackets without a zone, and a name has a letter in it,
 * so that nothing can be taken for an address by one reader and for a name by another.
 *
 * @param authority as received, not to be trusted
 * @returns a host name comes back in lower case and without its final dot
 * @throws MeshError `HBONE_TARGET_INVALID`, which is answered with 400
 * @see RFC 9113 §8.5, RFC 9110 §9.3.6, RFC 3986 §3.2.2
 */
export function parseConnectTarget(authority: string): ConnectTarget {
  const [, host = '', digits] = (authority.length <= MAX_AUTHORITY_CHARS && HOST_AND_PORT.exec(authority)) || []
  const port = Number(digits)
  const target = port <= 65_535 ? parseHost(host, port) : undefined
  if (target !== undefined) return target
  const shown = JSON.stringify(authority.slice(0, SHOWN_CHARS))
  throw new MeshError('HBONE_TARGET_INVALID', `no valid authority pseudo header: ${shown}`)
}

/** The text that `parseConnectTarget` reads. */
export function formatConnectTarget(target: ConnectTarget): string {
  return target.kind === 'address' ? formatSocketAddress(target) : `${target.hostname}:${target.port}`
}

function parseHost(host: string, port: number): ConnectTarget | undefined {
  if (host.startsWith('[')) {
    const ip = parseIp(host.slice(1, -1))
    // IPv4 in brackets, mapped into IPv6 or not, has a plain form that policies and look-ups know.
    return ip?.includes(':') ? { kind: 'address', ip, port } : undefined
  }
  if (isIPv4(host)) {
    const ip = parseIp(host)
    return ip === undefined ? undefined : { kind: 'address', ip, port }
  }
  const hostname = host.toLowerCase().replace(/\.$/, '')
  const isName = hostname.length <= MAX_HOSTNAME_CHARS && hostname.split('.').every((label) => LABEL.test(label))
  return isName && /[a-z]/.test(hostname) ? { kind: 'hostname', hostname, port } : undefined
}
