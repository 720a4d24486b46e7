import { describe, expect, it } from 'vitest'
import type { ConnectionPool } from '#shared/l7'
import type { AppProtocol } from '#shared/model'
import type { HttpVersion, RequestHead } from '../../../../src/waypoint/codec/index.ts'
import { protocolFor } from '../../../../src/waypoint/upstream/protocol.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

function asked(version: HttpVersion, more: { contentType?: string; upgrade?: string } = {}): RequestHead {
  const { request } = exchangeOf({
    headers: more.contentType === undefined ? {} : { 'content-type': more.contentType },
  })
  return { ...request, version, upgrade: more.upgrade }
}

const one = asked('HTTP/1.1')
const two = asked('HTTP/2')
const grpc = asked('HTTP/2', { contentType: 'application/grpc+proto' })
const websocket = asked('HTTP/1.1', { upgrade: 'websocket' })

describe('which HTTP an endpoint is spoken to', () => {
  it.each<[string, RequestHead, AppProtocol | undefined, ConnectionPool['upgrade'], 'http1' | 'http2']>([
    ['as the client does when nobody says', one, undefined, 'default', 'http1'],
    ['as the client does when nobody says', two, undefined, 'default', 'http2'],
    ['as declared', two, 'HTTP11', 'default', 'http1'],
    ['as declared', one, 'HTTP2', 'default', 'http2'],
    ['gRPC ports are HTTP/2', one, 'GRPC', 'default', 'http2'],
    ['gRPC is HTTP/2 on any port', grpc, 'HTTP11', 'default', 'http2'],
    ['and under any policy', grpc, 'HTTP11', 'never', 'http2'],
    ['upgraded always', one, 'HTTP11', 'always', 'http2'],
    ['never upgraded, even for a client of HTTP/2', two, undefined, 'never', 'http1'],
    ['never upgraded but declared', one, 'HTTP2', 'never', 'http2'],
    ['as the client does, whatever is declared', two, 'HTTP11', 'as-client', 'http2'],
    ['as the client does, whatever is declared', one, 'HTTP2', 'as-client', 'http1'],
    ['a WebSocket stays what it is', websocket, 'HTTP11', 'always', 'http1'],
    ['a WebSocket to a port of HTTP/2', websocket, 'HTTP2', 'default', 'http2'],
    ['TLS says nothing of HTTP', one, 'TLS', 'default', 'http1'],
  ])('%s', (_, request, appProtocol, upgrade, expected) => {
    expect(protocolFor(request, appProtocol, upgrade)).toBe(expected)
  })
})
