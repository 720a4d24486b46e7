import type { RequestHead } from '../types.ts'
import { OctetFields } from './fields.ts'
import { Malformed } from './malformed.ts'
import { HOST } from './octets.ts'
import type { HeadScan } from './scan-head.ts'

/** What else a head says to the connection that it came on. */
export interface ReadRequest {
  readonly head: RequestHead
  readonly framing: 'none' | 'chunked' | number
  /** The client wants no more behind it, or cannot tell where the answer ends. */
  readonly isLast: boolean
  readonly expectsContinue: boolean
}

/** The only protocol that a client may change to here; others are left out, as is HTTP/2's own upgrade. */
const UPGRADE = 'websocket'

/** @throws Malformed for what is well-formed and not served: CONNECT, odd targets, upgrades with a body */
export function readRequest(scan: HeadScan, bytes: Buffer): ReadRequest {
  const { contentLength, isChunked, minor, hostLine } = scan
  const method = methodOf(bytes, scan.start, scan.methodEnd)
  const hasBody = isChunked || contentLength > 0
  if (method === 'CONNECT') throw new Malformed('CONNECT is not served', hasBody ? 400 : 405)
  const host = hostLine < 0 ? '' : scan.valueOf(bytes, hostLine).toLowerCase()
  const { target, authority } = readTarget(bytes.toString('latin1', scan.targetStart, scan.targetEnd), method, host)
  const isUpgrade =
    scan.saysUpgrade &&
    minor === 1 &&
    scan.upgradeLine >= 0 &&
    scan.valueOf(bytes, scan.upgradeLine).toLowerCase() === UPGRADE
  if (isUpgrade && hasBody) throw new Malformed('an upgrade with a body')
  return {
    head: {
      version: minor === 0 ? 'HTTP/1.0' : 'HTTP/1.1',
      method,
      scheme: 'http',
      authority,
      target,
      upgrade: isUpgrade ? UPGRADE : undefined,
      fields: new OctetFields(scan, bytes, 'head'),
    },
    framing: isChunked ? 'chunked' : contentLength < 0 ? 'none' : contentLength,
    isLast: scan.saysClose || (minor === 0 && !scan.saysKeepAlive),
    expectsContinue: scan.expectsContinue && minor === 1,
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
  if (authority === '') throw new Malformed('the target is neither a path nor an http URL')
  for (let at = 0; at < authority.length; at++) {
    if (HOST[authority.charCodeAt(at)] !== 1) throw new Malformed("the target's host has an octet that none may have")
  }
  return { target: rest.startsWith('/') ? rest : `/${rest}`, authority: authority.toLowerCase() }
}
