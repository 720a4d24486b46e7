import { randomBytes } from 'node:crypto'
import { MeshError } from '#shared/errors'
import type { HeaderField, HeaderList } from '#shared/http2'
import type { RequestHead, ResponseHead } from '../types.ts'
import { appendFields, readFields } from './list-fields.ts'
import { acceptOf } from './websocket.ts'

/** Octets that a target may have where HTTP/1 speaks it (RFC 9112 §3.2): none that ends a request line. */
const TARGET = /^[\x21-\x7e]+$/
/** Host and port without userinfo; what a host is exactly is the routes' business. */
const AUTHORITY = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?$/

/** Why a well-formed request is answered here and goes nowhere. */
export interface Unreadable {
  readonly status: 400 | 501
  readonly reason: string
}

/**
 * A request's canonical form from a header section that the engine found well-formed (RFC 9113 §8.3.1). An extended
 * CONNECT for websocket becomes the GET that asks for an upgrade (RFC 8441 §5), with the key that HTTP/1 demands.
 */
export function readRequest(headers: HeaderList): RequestHead | Unreadable {
  let method = ''
  let scheme = ''
  let target = ''
  let authority: string | undefined
  let upgrade: string | undefined
  for (const [name, value] of headers) {
    switch (name) {
      case ':method':
        method = value
        break
      case ':scheme':
        scheme = value
        break
      case ':path':
        target = value
        break
      case ':authority':
        authority = value
        break
      case ':protocol':
        upgrade = value.toLowerCase()
        break
      case 'host':
        authority ??= value
        break
    }
  }
  if (method === 'CONNECT' && upgrade === undefined) return { status: 501, reason: 'CONNECT' }
  if (upgrade !== undefined && upgrade !== 'websocket') return { status: 501, reason: 'upgrade' }
  if (scheme !== 'http' && scheme !== 'https') return { status: 400, reason: 'scheme' }
  if (authority === undefined || !AUTHORITY.test(authority)) return { status: 400, reason: 'authority' }
  const fragment = target.indexOf('#')
  if (fragment >= 0) target = target.slice(0, fragment)
  if (!TARGET.test(target)) return { status: 400, reason: 'path' }
  const fields = readFields(headers)
  if (upgrade !== undefined) {
    method = 'GET'
    fields.set('sec-websocket-key', randomBytes(16).toString('base64'))
  }
  return { version: 'HTTP/2', method, scheme, authority: authority.toLowerCase(), target, upgrade, fields }
}

/** @param lengthBytes undefined = nobody knows; 0 writes none, as the header section ends the request then */
export function writeRequest(request: RequestHead, lengthBytes: number | undefined): HeaderList {
  const { upgrade } = request
  const list: HeaderField[] = [
    [':method', upgrade === undefined ? request.method : 'CONNECT'],
    [':scheme', request.scheme],
    [':authority', request.authority],
    [':path', request.target],
  ]
  if (upgrade !== undefined) list.push([':protocol', upgrade])
  appendFields(list, request.fields)
  // Some servers of gRPC refuse requests without it, and we take trailers from everybody.
  list.push(TAKES_TRAILERS)
  if (upgrade !== undefined) return list.filter(([name]) => name !== 'sec-websocket-key')
  if (lengthBytes !== undefined && lengthBytes > 0) list.push(['content-length', String(lengthBytes)])
  return list
}

const TAKES_TRAILERS: HeaderField = ['te', 'trailers']

/**
 * @param asked its answer; an upgrade that was granted becomes the 101 of HTTP/1
 * @throws MeshError `UPSTREAM_PROTOCOL` for a status that HTTP does not know
 */
export function readResponse(headers: HeaderList, asked: RequestHead): ResponseHead {
  const status = Number(headers[0]?.[1])
  if (status > 599) throw new MeshError('UPSTREAM_PROTOCOL', `status ${status}`)
  const fields = readFields(headers)
  if (asked.upgrade === undefined || status < 200 || status > 299) return { version: 'HTTP/2', status, fields }
  const key = asked.fields.get('sec-websocket-key')
  if (key !== undefined) fields.set('sec-websocket-accept', acceptOf(key))
  return { version: 'HTTP/2', status: 101, fields }
}

/** @param lengthBytes of the body, or what a body would have that may not be there */
export function writeResponse(head: ResponseHead, lengthBytes: number | undefined): HeaderList {
  const isUpgrade = head.status === 101
  const list: HeaderField[] = [[':status', isUpgrade ? '200' : String(head.status)]]
  appendFields(list, head.fields)
  if (isUpgrade) return list.filter(([name]) => name !== 'sec-websocket-accept')
  if (lengthBytes !== undefined && lengthBytes > 0 && mayHaveLength(head.status))
    list.push(['content-length', String(lengthBytes)])
  return list
}

/** RFC 9110 §8.6. */
function mayHaveLength(status: number): boolean {
  return status >= 200 && status !== 204
}

/** What the message declares; several equal values count as one. The engine has checked them. */
export function lengthOf(headers: HeaderList): number | undefined {
  for (const [name, value] of headers) if (name === 'content-length') return Number(value)
  return undefined
}
