import { afterEach, describe, expect, it } from 'vitest'
import {
  block,
  connect,
  data,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  get,
  headers,
  ok,
  post,
} from '../../support/h2-frames.ts'
import { type Conversation, clientUnderTest, serverUnderTest } from '../../support/h2-peer.ts'

const open: Conversation[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function talk<T extends Conversation>(started: Promise<T>): Promise<T> {
  const conversation = await started
  open.push(conversation)
  return conversation
}

const [, scheme, path, authority] = get as [Fields[0], Fields[0], Fields[0], Fields[0]]
const method = get[0] as Fields[0]

describe('8.2 and 8.3.1: a server resets a request with', () => {
  it.each<[string, Fields]>([
    ['an upper-case field name', [...get, ['X-Name', 'v']]],
    ['an empty field name', [...get, ['', 'v']]],
    ['a space in a field name', [...get, ['x name', 'v']]],
    ['a colon in a field name', [...get, ['x:name', 'v']]],
    ['a control character in a field name', [...get, ['x\u0001', 'v']]],
    ['an octet above 0x7f in a field name', [...get, ['x\u00e9', 'v']]],
    ['NUL in a value', [...get, ['x-name', 'a\u0000b']]],
    ['CR in a value', [...get, ['x-name', 'a\rb']]],
    ['LF in a value', [...get, ['x-name', 'a\nx-other: b']]],
    ['a space before a value', [...get, ['x-name', ' a']]],
    ['a tab behind a value', [...get, ['x-name', 'a\t']]],
    ['CRLF in :path', [method, scheme, [':path', '/\r\nx: y'], authority]],
    ['connection', [...get, ['connection', 'close']]],
    ['keep-alive', [...get, ['keep-alive', 'x']]],
    ['proxy-connection', [...get, ['proxy-connection', 'x']]],
    ['transfer-encoding', [...get, ['transfer-encoding', 'chunked']]],
    ['upgrade', [...get, ['upgrade', 'h2c']]],
    ['te other than trailers', [...get, ['te', 'gzip']]],
    ['an unknown pseudo-header', [...get, [':unknown', 'v']]],
    ['a pseudo-header of responses', [...get, [':status', '200']]],
    ['a pseudo-header behind a field', [method, scheme, path, ['x-name', 'v'], authority]],
    ['no :method', [scheme, path, authority]],
    ['no :scheme', [method, path, authority]],
    ['no :path', [method, scheme, authority]],
    ['an empty :path', [method, scheme, [':path', ''], authority]],
    ['an empty :method', [[':method', ''], scheme, path, authority]],
    ['a space in :method', [[':method', 'GET /'], scheme, path, authority]],
    ['two :method', [method, method, scheme, path, authority]],
    ['two :scheme', [method, scheme, scheme, path, authority]],
    ['two :path', [method, scheme, path, path, authority]],
    ['two :authority', [method, scheme, path, authority, authority]],
    ['a path without a slash', [method, scheme, [':path', 'admin'], authority]],
    ['host that differs from :authority', [...get, ['host', 'other']]],
    ['8.5 CONNECT with :path', [...connect, [':path', '/']]],
    ['8.5 CONNECT with :scheme', [...connect, [':scheme', 'http']]],
    ['8.5 CONNECT without :authority', [[':method', 'CONNECT']]],
    [
      '8.5 CONNECT with an empty :authority',
      [
        [':method', 'CONNECT'],
        [':authority', ''],
      ],
    ],
    ['RFC 8441 extended CONNECT, which was not offered', [...connect, [':protocol', 'websocket']]],
    ['8.1.1 a content-length that is no number', [...post, ['content-length', 'x']]],
    ['8.1.1 two content-lengths', [...post, ['content-length', '1'], ['content-length', '2']]],
    ['8.1.1 a negative content-length', [...post, ['content-length', '-1']]],
  ])('%s', async (_title, fields) => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(headers(1, fields))
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(events).toEqual([])
    expect(await peer.isAlive()).toBe(true)
  })
})

describe('a server takes a request with', () => {
  it.each<[string, Fields]>([
    ['te: trailers', [...get, ['te', 'trailers']]],
    ['an empty value', [...get, ['x-name', '']]],
    ['octets above 0x7f in a value', [...get, ['x-name', 'caf\u00e9']]],
    ['an asterisk path for OPTIONS', [[':method', 'OPTIONS'], scheme, [':path', '*'], authority]],
    ['host but no :authority', [method, scheme, path, ['host', 'web']]],
    ['CONNECT', connect],
    ['cookie crumbs', [...get, ['cookie', 'a=1'], ['cookie', 'b=2']]],
    ['pseudo-headers in any order', [path, authority, method, scheme]],
  ])('%s', async (_title, fields) => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(headers(1, fields))
    await peer.receive('HEADERS', 1)
    expect(events[0]).toBe(`request 1 ${fields.map(([name, value]) => `${name}=${value}`).join(' ')}`)
  })
})

describe('8.1: a server', () => {
  it.each([
    ['shorter', '4', [data(1, 'abc', END_STREAM)]],
    ['longer', '2', [data(1, 'abc')]],
    ['longer over two frames', '2', [data(1, 'a'), data(1, 'bc', END_STREAM)]],
    ['absent', '2', [data(1, '', END_STREAM)]],
  ])('resets a request whose body is %s than content-length says', async (_title, length, frames) => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(1, [...post, ['content-length', length]]), ...frames)
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(await peer.isAlive()).toBe(true)
  })

  it.each([
    ['in one frame', [data(1, 'abc', END_STREAM)]],
    ['in two frames, the last of them empty', [data(1, 'abc'), data(1, '', END_STREAM)]],
    ['with trailers behind it', [data(1, 'abc'), headers(1, [['x-sum', '7']], END_STREAM)]],
  ])('ends a request whose body is as long as content-length says, %s', async (_title, frames) => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(headers(1, [...post, ['content-length', '3']]), ...frames)
    await peer.isAlive()
    expect(events.at(-1)).toContain('end')
  })

  it('resets a request that ends with its header though content-length announces a body', async () => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(headers(1, [...post, ['content-length', '2']], END_STREAM))
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(events).toEqual([])
  })

  it('hands trailers on', async () => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(headers(1, post), data(1, 'abc'), headers(1, [['x-sum', '7']], END_STREAM))
    await peer.isAlive()
    expect(events.slice(-2)).toEqual(['data 1 abc', 'end 1 x-sum=7'])
  })

  it.each<[string, Fields, number]>([
    ['do not end the stream', [['x-sum', '7']], 0],
    ['hold a pseudo-header', [[':path', '/']], END_STREAM],
    ['hold an upper-case name', [['X-Sum', '7']], END_STREAM],
    ['hold a connection-specific field', [['connection', 'close']], END_STREAM],
  ])('resets a request whose trailers %s', async (_title, fields, flags) => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(1, post), headers(1, fields, flags))
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(await peer.isAlive()).toBe(true)
  })

  it('8.5 resets a tunnel that sends trailers', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(1, connect), headers(1, [['x-sum', '7']], END_STREAM))
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
  })

  it('takes a whole body before its own answer', async () => {
    const { peer, events } = await talk(serverUnderTest({ onRequest: () => {} }))
    peer.send(headers(1, post), data(1, 'abc', END_STREAM))
    await peer.isAlive()
    expect(events.slice(-2)).toEqual(['data 1 abc', 'end 1'])
  })

  it('10.5.1 resets a stream whose decoded header is over the limit, and reads the next', async () => {
    const { peer, events } = await talk(serverUnderTest({ limits: { maxHeaderListBytes: 1000 } }))
    peer.send(headers(1, [...get, ['x-long', 'v'.repeat(600)]], END_STREAM))
    await peer.receive('HEADERS', 1)
    // Two references to one entry of 600 bytes: small on the wire.
    const add = Buffer.concat([block(get), Buffer.from([0x40, 1, 0x61, 0x7f, 0xd9, 3]), Buffer.alloc(600, 'v')])
    const refer = Buffer.concat([block(get), Buffer.from([0xbe, 0xbe])])
    peer.send(frame('HEADERS', END_HEADERS, 3, add), frame('HEADERS', END_HEADERS, 5, refer))
    expect(await peer.streamError(5)).toBe('ENHANCE_YOUR_CALM')
    expect(await peer.isAlive()).toBe(true)
    expect(events.filter((event) => event.startsWith('request'))).toHaveLength(2)
  })
})

describe('8.3.2: a client', () => {
  it.each<[string, Fields]>([
    ['without :status', [['x-name', 'v']]],
    ['with an empty :status', [[':status', '']]],
    ['with :status 20', [[':status', '20']]],
    ['with :status 2000', [[':status', '2000']]],
    ['with :status 099', [[':status', '099']]],
    ['with :status abc', [[':status', 'abc']]],
    ['with two :status', [...ok, ...ok]],
    ['with a pseudo-header of requests', [...ok, [':path', '/']]],
    ['with :status behind a field', [['x-name', 'v'], ...ok]],
    ['with an upper-case name', [...ok, ['X-Name', 'v']]],
    ['with LF in a value', [...ok, ['x-name', 'a\nb']]],
    ['with a connection-specific field', [...ok, ['connection', 'close']]],
    ['8.6 of 101', [[':status', '101']]],
  ])('resets an answer %s', async (_title, fields) => {
    const { peer, request, events } = await talk(clientUnderTest())
    await request(get, true)
    peer.send(headers(1, fields))
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(events).toEqual(['reset 1 PROTOCOL_ERROR'])
    expect(await peer.isAlive()).toBe(true)
  })

  it('hands interim answers on before the final one', async () => {
    const { peer, request, events } = await talk(clientUnderTest())
    await request(get, true)
    peer.send(headers(1, [[':status', '103']]), headers(1, [[':status', '100']]), headers(1, ok, END_STREAM))
    await peer.isAlive()
    expect(events).toEqual([
      'informational 1 :status=103',
      'informational 1 :status=100',
      'headers 1 :status=200 end',
      'end 1',
    ])
  })

  it.each([
    ['DATA before the header', [data(1, 'x')]],
    ['an interim answer that ends the stream', [headers(1, [[':status', '100']], END_STREAM)]],
    ['a second final answer', [headers(1, ok), headers(1, ok)]],
    ['a body longer than content-length', [headers(1, [...ok, ['content-length', '1']]), data(1, 'ab')]],
    ['a body shorter than content-length', [headers(1, [...ok, ['content-length', '3']]), data(1, 'ab', END_STREAM)]],
  ])('resets a stream with %s', async (_title, frames) => {
    const { peer, request } = await talk(clientUnderTest())
    await request(get, true)
    peer.send(...frames)
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(await peer.isAlive()).toBe(true)
  })

  it.each<[string, Fields, Fields]>([
    ['an answer to HEAD', [[':method', 'HEAD'], ...get.slice(1)], [...ok, ['content-length', '100']]],
    [
      '304',
      get,
      [
        [':status', '304'],
        ['content-length', '100'],
      ],
    ],
  ])('takes %s without the body that content-length announces', async (_title, asked, answer) => {
    const { peer, request, events } = await talk(clientUnderTest())
    await request(asked, true)
    peer.send(headers(1, answer, END_STREAM))
    await peer.isAlive()
    expect(events.at(-1)).toBe('end 1')
  })

  it('hands trailers on', async () => {
    const { peer, request, events } = await talk(clientUnderTest())
    await request(get, true)
    peer.send(headers(1, ok), data(1, 'abc'), headers(1, [['grpc-status', '0']], END_STREAM))
    await peer.isAlive()
    expect(events).toEqual(['headers 1 :status=200', 'data 1 abc', 'end 1 grpc-status=0'])
  })

  it('8.5 carries bytes both ways behind CONNECT', async () => {
    const { peer, request, events } = await talk(clientUnderTest())
    const stream = await request(connect)
    peer.send(headers(1, ok), data(1, 'down'))
    await peer.isAlive()
    stream.write(Buffer.from('up'), 0, 2)
    stream.end()
    expect((await peer.receive('DATA', 1)).payload.toString()).toBe('up')
    peer.send(data(1, '', END_STREAM))
    await peer.isAlive()
    expect(events).toEqual(['headers 1 :status=200', 'data 1 down', 'end 1'])
    expect(stream.isOpen).toBe(false)
  })
})
