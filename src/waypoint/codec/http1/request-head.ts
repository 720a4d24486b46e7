import type { RequestHead } from '../types.ts'
import { isAuthority } from './authority.ts'
import { OctetFields } from './fields.ts'
import { Malformed } from './malformed.ts'
import type { HeadScan } from './scan-head.ts'

/** What else a head says to the connection that it came on. */
export interface ReadRequest {
  readonly head: RequestHead
  readonly framing: 'none' | 'chunked' | number
  /** The client wants no more behind it, or cannot tell where the answer ends. */
  readonly isLast: boolean
}

/** The only protocol that a client may change to here; others are left out, as is HTTP/2's own upgrade. */
const UPGRADE = 'websocket'

/** @throws Malformed for what is well-formed and not served: CONNECT, odd targets, upgrades with a body */
export function readRequest(scan: HeadScan, bytes: Buffer): ReadRequest {
  const { contentLength, minor, hostLine } = scan
  const isChunked = scan.transferEncoding === 'chunked'
  const method = methodOf(bytes, scan.start, scan.methodEnd)
  const hasBody = isChunked || contentLength > 0
  if (method === 'CONNECT') throw new Malformed('CONNECT is not served', hasBody ? 400 : 501)
  const host = hostLine < 0 ? '' : scan.valueOf(bytes, hostLine).toLowerCase()
  // Clients of HTTP/1.0 may leave it out or empty.
  if (!isAuthority(host) && (host !== '' || minor === 1)) throw new Malformed('Host is no host')
  const { target, authority } = readTarget(bytes.toString('latin1', scan.targetStart, scan.targetEnd), method, host)
  const isUpgrade =
    scan.saysUpgrade &&
    minor === 1 &&
    scan.upgradeLine >= 0 &&
    scan.valueOf(bytes, scan.upgradeLine).toLowerCase() === UPGRADE
  if (isUpgrade && hasBody) throw new Malformed('an upgrade with a body')
  const fields = new OctetFields(scan, bytes, 'head')
  // It means nothing from a client that knows no interim answers, and must not to who comes next (RFC 9110 §10.1.1).
  if (minor === 0) fields.remove('expect')
  return {
    head: {
      version: minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1',
      method,
      scheme: 'http',
      authority,
      target,
      upgrade: isUpgrade && method === 'GET' ? UPGRADE : undefined,
      fields,
    },
    framing: isChunked ? 'chunked' : contentLength < 0 ? 'none' : contentLength,
    isLast: scan.saysClose || (minor === 0 && !scan.saysKeepAlive),
  }
}

/** The usual ones without making a string. */
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'] as const

function methodOf(bytes: Buffer, start: number, end: number): string {
  for (const method of METHODS) {
    if (method.length !== end - start) continue
    let at = 0
    while (at < method.length && bytes[start + at] === method.charCodeAt(at)) at++
    if (at === method.length) return method
  }
  return bytes.toString('latin1', start, end)
}

const SLASH = 47

/** The four forms of RFC 9112 §3.2; `http://…` becomes its path, and its host the authority. */
function readTarget(target: string, method: string, host: string): { target: string; authority: string } {
  if (target.charCodeAt(0) === SLASH) {
    if (target.includes('#')) throw new Malformed('the target has a fragment')
    return { target, authority: host }
  }
  if (target === '*') {
    if (method !== 'OPTIONS') throw new Malformed('only OPTIONS asks about *')
    return { target, authority: host }
  }
  const [, authority = '', rest = ''] = /^http:\/\/([^/?#]*)([^#]*)$/i.exec(target) ?? []
  if (!isAuthority(authority)) throw new Malformed('the target is neither a path nor an http URL')
  // The server as a whole is `*` for who asks it (RFC 9112 §3.2.4).
  if (rest === '' && method === 'OPTIONS') return { target: '*', authority: authority.toLowerCase() }
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority: authority.toLowerCase() }
}
