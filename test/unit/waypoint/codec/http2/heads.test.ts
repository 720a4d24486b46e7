import { describe, expect, it } from 'vitest'
import type { HeaderField, HeaderList } from '#shared/http2'
import {
  readRequest,
  readResponse,
  writeRequest,
  writeResponse,
} from '../../../../../src/waypoint/codec/http2/heads.ts'
import { ListFields, readTrailers, writeTrailers } from '../../../../../src/waypoint/codec/http2/list-fields.ts'
import type { RequestHead } from '../../../../../src/waypoint/codec/index.ts'
import { pairsOf } from '../../../../support/http-exchange.ts'

function request(...more: HeaderField[]): HeaderList {
  return [[':method', 'GET'], [':scheme', 'http'], [':authority', 'cart'], [':path', '/'], ...more]
}

function read(headers: HeaderList): RequestHead {
  const head = readRequest(headers)
  if ('reason' in head) throw new Error(head.reason)
  return head
}

describe('a request of HTTP/2', () => {
  it('has its host from host when there is no authority', () => {
    const head = read([
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/'],
      ['host', 'Cart:8080'],
    ])
    expect(head).toMatchObject({ authority: 'cart:8080', scheme: 'https' })
    expect(head.fields.has('host')).toBe(false)
  })

  it.each<[string, HeaderList]>([
    [
      'no host at all',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':path', '/'],
      ],
    ],
    [
      'an empty host',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', ''],
        [':path', '/'],
      ],
    ],
    [
      'two hosts in one',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a, b'],
        [':path', '/'],
      ],
    ],
    [
      'a port that is no number',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a:b'],
        [':path', '/'],
      ],
    ],
    [
      'a tab in its path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/a\tb'],
      ],
    ],
    [
      'octets above ASCII in its path',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/\xe9'],
      ],
    ],
    [
      'a path that ends a request line',
      [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'a'],
        [':path', '/ HTTP/1.1'],
      ],
    ],
  ])('is refused with %s', (_, headers) => {
    expect(readRequest(headers)).toMatchObject({ status: 400 })
  })

  it('has one cookie, a secret one if a crumb of it was, and nothing of the hop', () => {
    const headers = request(
      ['cookie', 'a=1'],
      ['te', 'trailers'],
      ['x', 'y'],
      ['cookie', 'b=2', true],
      ['content-length', '5'],
    )
    const { fields } = read(headers)
    expect(pairsOf(fields)).toEqual([
      ['cookie', 'a=1; b=2'],
      ['x', 'y'],
    ])
    expect(writeRequest({ ...read(headers), fields }, 5)).toContainEqual(['cookie', 'a=1; b=2', true])
  })

  it('is written as it was read, with its length', () => {
    const headers = request(['x', 'y'], ['authorization', 'secret', true])
    expect(writeRequest(read(headers), 7)).toEqual([...headers, ['te', 'trailers'], ['content-length', '7']])
    expect(writeRequest(read(headers), 0)).toEqual([...headers, ['te', 'trailers']])
  })

  it('is written without what a filter must not add', () => {
    const head = read(request())
    for (const name of ['connection', 'transfer-encoding', 'upgrade', 'host', 'content-length', 'keep-alive'])
      head.fields.add(name, 'x')
    expect(writeRequest(head, undefined)).toEqual([...request(), ['te', 'trailers']])
  })

  it('asks for a websocket as HTTP/1 does, and as HTTP/2 does again', () => {
    const headers: HeaderList = [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'http'],
      [':authority', 'cart'],
      [':path', '/chat'],
      ['sec-websocket-version', '13'],
    ]
    const head = read(headers)
    expect(head).toMatchObject({ method: 'GET', upgrade: 'websocket', target: '/chat' })
    expect(head.fields.get('sec-websocket-key')).toMatch(/^[A-Za-z0-9+/]{22}==$/)
    const written = writeRequest(head, undefined)
    expect(written).toContainEqual([':method', 'CONNECT'])
    expect(written).toContainEqual([':protocol', 'websocket'])
    expect(written.some(([name]) => name === 'sec-websocket-key')).toBe(false)
  })
})

describe('an answer of HTTP/2', () => {
  /** The key and its answer of RFC 6455 §1.3. */
  const asked = { ...read(request()), upgrade: 'websocket' }
  asked.fields.set('sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==')

  it('that grants a websocket becomes the 101 of HTTP/1, and back', () => {
    const head = readResponse(
      [
        [':status', '200'],
        ['x', 'y'],
      ],
      asked,
    )
    expect(head.status).toBe(101)
    expect(head.fields.get('sec-websocket-accept')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
    expect(writeResponse(head, undefined)).toEqual([
      [':status', '200'],
      ['x', 'y'],
    ])
  })

  it('that does not grant one stays what it is', () => {
    expect(readResponse([[':status', '403']], asked)).toMatchObject({ status: 403 })
    expect(readResponse([[':status', '200']], read(request())).status).toBe(200)
  })

  it.each([
    [200, 5, '5'],
    [304, 5, '5'],
    [204, 5, undefined],
    [200, undefined, undefined],
  ])('%i with a length of %s is written with %s', (status, length, expected) => {
    const written = writeResponse({ version: 'HTTP/1.1', status, fields: new ListFields() }, length)
    expect(written.find(([name]) => name === 'content-length')?.[1]).toBe(expected)
  })

  it('with a status that HTTP does not know is refused', () => {
    expect(() => readResponse([[':status', '700']], asked)).toThrow(
      expect.objectContaining({ code: 'UPSTREAM_PROTOCOL' }),
    )
  })
})

describe('trailers', () => {
  it('hold nothing that would change what was said before them, either way', () => {
    const headers: HeaderList = [
      ['grpc-status', '0'],
      ['content-length', '3'],
      ['host', 'x'],
      ['authorization', 'x'],
      ['content-type', 'x'],
      ['x-sum', '7'],
    ]
    const kept = [
      ['grpc-status', '0'],
      ['x-sum', '7'],
    ]
    expect(pairsOf(readTrailers(headers))).toEqual(kept)
    expect(writeTrailers(new ListFields([...headers]))).toEqual(kept)
  })
})
