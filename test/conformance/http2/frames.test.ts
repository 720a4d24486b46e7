import { afterEach, describe, expect, it } from 'vitest'
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  goaway,
  headers,
  integer,
  ok,
  PADDED,
  PREFACE,
  PRIORITY,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  uint32,
  windowUpdate,
} from '../../support/h2-frames.ts'
import {
  type Conversation,
  clientUnderTest,
  openStream,
  rawClient,
  rawServer,
  serverUnderTest,
} from '../../support/h2-peer.ts'

const open: Conversation[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function talk<T extends Conversation>(started: Promise<T>): Promise<T> {
  const conversation = await started
  open.push(conversation)
  return conversation
}

const roles = ['server', 'client'] as const
const request = headers(1, get, END_STREAM)

describe('3.4 connection preface', () => {
  it('a server reads the preface however it is cut', async () => {
    const { peer } = await talk(rawServer())
    for (const octet of Buffer.concat([PREFACE, settings()])) peer.send(Uint8Array.of(octet))
    await peer.receive('SETTINGS')
    expect(await peer.isAlive()).toBe(true)
  })

  it.each([
    ['an HTTP/1.1 request', Buffer.from('GET / HTTP/1.1\r\nhost: web\r\n\r\n')],
    ['a preface with one wrong octet', Buffer.from('PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n')],
    ['zeros', Buffer.alloc(24)],
  ])('a server ends a connection that begins with %s', async (_title, bytes) => {
    const { peer } = await talk(rawServer())
    peer.send(bytes)
    expect(await peer.connectionError()).toBe('PROTOCOL_ERROR')
  })

  it.each([
    ['a PING', ping()],
    ['a SETTINGS acknowledgement', settingsAck],
    ['a WINDOW_UPDATE', windowUpdate(0, 1)],
    ['an unknown frame', frame(99, 0, 0)],
    ['a HEADERS frame', request],
  ])('%s for the first frame is a PROTOCOL_ERROR in both roles', async (_title, first) => {
    const server = await talk(rawServer())
    server.peer.send(PREFACE, first)
    expect(await server.peer.connectionError()).toBe('PROTOCOL_ERROR')
    const client = await talk(rawClient())
    client.peer.send(first)
    expect(await client.peer.connectionError()).toBe('PROTOCOL_ERROR')
  })

  it('a client sends the preface, SETTINGS without push, and asks before the server has spoken', async () => {
    const { peer, request: ask } = await talk(rawClient())
    const first = await peer.receive('SETTINGS')
    expect(first.payload.includes(Buffer.from([0, 2, 0, 0, 0, 0]))).toBe(true)
    await ask(get, true)
    expect(peer.frames.at(-1)).toMatchObject({ type: 'HEADERS', flags: END_HEADERS | END_STREAM, streamId: 1 })
  })
})

describe.each(roles)('4.1 and 5.5: a %s', (role) => {
  it.each([
    ['a frame of an unknown type', frame(0xfb, 0xff, 0, Buffer.from('whatever'))],
    ['a frame of an unknown type on a stream', frame(0xfb, 0, 1, Buffer.from('whatever'))],
    ['flags that a frame does not have', ping('01234567', 0xfe)],
    ['the reserved bit of the stream id', frame('WINDOW_UPDATE', 0, 0x8000_0001, uint32(1))],
    ['the reserved bit of an increment', frame('WINDOW_UPDATE', 0, 1, uint32(0x8000_0001))],
    ['an unknown setting', settings({ 4096: 7 })],
  ])('ignores %s', async (_title, frames) => {
    const { peer } = await talk(openStream(role))
    peer.send(frames)
    expect(await peer.isAlive()).toBe(true)
    expect(peer.count('RST_STREAM')).toBe(0)
  })
})

/** What ends the connection wherever stream 1 is open. */
const connectionErrors: readonly [title: string, frames: Buffer, code: string][] = [
  ['4.2 DATA above our frame size', frame('DATA', 0, 1, Buffer.alloc(0), 16_385), 'FRAME_SIZE_ERROR'],
  ['4.2 an unknown frame above our frame size', frame(99, 0, 0, Buffer.alloc(0), 16_385), 'FRAME_SIZE_ERROR'],
  ['4.2 SETTINGS above our frame size', frame('SETTINGS', 0, 0, Buffer.alloc(0), 16_386), 'FRAME_SIZE_ERROR'],
  ['4.3 a block that cannot be decoded', frame('HEADERS', END_HEADERS, 3, Buffer.from([0x80])), 'COMPRESSION_ERROR'],
  [
    '4.3 a table size above ours',
    frame('HEADERS', END_HEADERS, 3, Buffer.concat([Buffer.from([0x20 | 31]), integer(8192, 5).subarray(1)])),
    'COMPRESSION_ERROR',
  ],
  ['6.1 DATA on stream 0', data(0, 'x'), 'PROTOCOL_ERROR'],
  ['6.1 DATA padded to its whole length', frame('DATA', PADDED, 1, Buffer.from([2, 0])), 'PROTOCOL_ERROR'],
  ['6.1 padded DATA without a pad length', frame('DATA', PADDED, 1), 'FRAME_SIZE_ERROR'],
  ['6.2 HEADERS on stream 0', headers(0, get), 'PROTOCOL_ERROR'],
  [
    '6.2 HEADERS with padding above its length',
    frame('HEADERS', END_HEADERS | PADDED, 3, Buffer.concat([Buffer.from([200]), block(get)])),
    'PROTOCOL_ERROR',
  ],
  [
    '6.2 HEADERS with PRIORITY too short for it',
    frame('HEADERS', END_HEADERS | PRIORITY, 3, uint32(0)),
    'PROTOCOL_ERROR',
  ],
  ['6.3 PRIORITY on stream 0', frame('PRIORITY', 0, 0, Buffer.alloc(5)), 'PROTOCOL_ERROR'],
  ['6.3 PRIORITY of 4 octets', frame('PRIORITY', 0, 1, Buffer.alloc(4)), 'FRAME_SIZE_ERROR'],
  ['6.4 RST_STREAM on stream 0', rstStream(0), 'PROTOCOL_ERROR'],
  ['6.4 RST_STREAM on an idle stream', rstStream(9), 'PROTOCOL_ERROR'],
  ['6.4 RST_STREAM of 3 octets', frame('RST_STREAM', 0, 1, Buffer.alloc(3)), 'FRAME_SIZE_ERROR'],
  ['6.5 SETTINGS on a stream', frame('SETTINGS', 0, 1), 'PROTOCOL_ERROR'],
  ['6.5 a SETTINGS acknowledgement with a payload', frame('SETTINGS', 1, 0, Buffer.alloc(6)), 'FRAME_SIZE_ERROR'],
  ['6.5 SETTINGS of 5 octets', frame('SETTINGS', 0, 0, Buffer.alloc(5)), 'FRAME_SIZE_ERROR'],
  ['6.5.2 ENABLE_PUSH of 2', settings({ ENABLE_PUSH: 2 }), 'PROTOCOL_ERROR'],
  ['6.5.2 INITIAL_WINDOW_SIZE of 2^31', settings({ INITIAL_WINDOW_SIZE: 2 ** 31 }), 'FLOW_CONTROL_ERROR'],
  ['6.5.2 MAX_FRAME_SIZE of 16,383', settings({ MAX_FRAME_SIZE: 16_383 }), 'PROTOCOL_ERROR'],
  ['6.5.2 MAX_FRAME_SIZE of 2^24', settings({ MAX_FRAME_SIZE: 2 ** 24 }), 'PROTOCOL_ERROR'],
  ['6.6 PUSH_PROMISE', frame('PUSH_PROMISE', END_HEADERS, 1, Buffer.concat([uint32(2), block(get)])), 'PROTOCOL_ERROR'],
  ['6.7 PING on a stream', frame('PING', 0, 1, Buffer.alloc(8)), 'PROTOCOL_ERROR'],
  ['6.7 PING of 7 octets', frame('PING', 0, 0, Buffer.alloc(7)), 'FRAME_SIZE_ERROR'],
  ['6.8 GOAWAY on a stream', frame('GOAWAY', 0, 1, Buffer.alloc(8)), 'PROTOCOL_ERROR'],
  ['6.8 GOAWAY of 7 octets', frame('GOAWAY', 0, 0, Buffer.alloc(7)), 'FRAME_SIZE_ERROR'],
  ['6.9 WINDOW_UPDATE of 3 octets', frame('WINDOW_UPDATE', 0, 0, Buffer.alloc(3)), 'FRAME_SIZE_ERROR'],
  ['6.9 WINDOW_UPDATE of 0 on the connection', windowUpdate(0, 0), 'PROTOCOL_ERROR'],
  ['6.9 WINDOW_UPDATE on an idle stream', windowUpdate(9, 1), 'PROTOCOL_ERROR'],
  ['6.9.1 a connection window above 2^31-1', windowUpdate(0, 2 ** 31 - 1), 'FLOW_CONTROL_ERROR'],
  ['6.10 CONTINUATION without HEADERS', frame('CONTINUATION', END_HEADERS, 1, block(get)), 'PROTOCOL_ERROR'],
  ['6.10 CONTINUATION on stream 0', frame('CONTINUATION', END_HEADERS, 0, block(get)), 'PROTOCOL_ERROR'],
  ...[
    ['PING', ping()],
    ['DATA', data(1, 'x')],
    ['PRIORITY', priority(1)],
    ['an unknown frame', frame(99, 0, 1)],
    ['HEADERS of another stream', headers(5, get)],
    ['CONTINUATION of another stream', frame('CONTINUATION', END_HEADERS, 5, block(get))],
    ['WINDOW_UPDATE of its own stream', windowUpdate(3, 1)],
  ].map(([title, between]): [string, Buffer, string] => [
    `6.10 ${title as string} inside a header block`,
    Buffer.concat([frame('HEADERS', 0, 3, block(get)), between as Buffer]),
    'PROTOCOL_ERROR',
  ]),
]

describe.each(roles)('a %s ends the connection', (role) => {
  it.each(connectionErrors)('for %s', async (_title, frames, code) => {
    const { peer, events, engine } = await talk(openStream(role))
    peer.send(frames)
    expect(await peer.connectionError()).toBe(code)
    expect(events.filter((event) => event.startsWith('reset 1'))).toHaveLength(1)
    expect(engine.isUsable).toBe(false)
    expect(engine.streamCount).toBe(0)
  })
})

describe.each(roles)('a %s takes', (role) => {
  it('4.2 a frame of exactly our frame size', async () => {
    const { peer, events } = await talk(openStream(role))
    peer.send(data(1, Buffer.alloc(16_384, 'x')))
    await peer.isAlive()
    expect(
      events
        .filter((event) => event.startsWith('data'))
        .join('')
        .replaceAll('data 1 ', ''),
    ).toHaveLength(16_384)
  })

  it('6.1 DATA with padding, and only its payload is handed on', async () => {
    const { peer, events } = await talk(openStream(role))
    peer.send(frame('DATA', PADDED | END_STREAM, 1, Buffer.from('\u0005hello\0\0\0\0\0')))
    await peer.isAlive()
    expect(events.slice(-2)).toEqual(['data 1 hello', 'end 1'])
  })

  it('6.1 DATA that is all padding', async () => {
    const { peer, events } = await talk(openStream(role))
    peer.send(frame('DATA', PADDED | END_STREAM, 1, Buffer.from([3, 0, 0, 0])))
    await peer.isAlive()
    expect(events.at(-1)).toBe('end 1')
  })

  it('6.3 PRIORITY at any time, on any stream, on itself', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(priority(1), priority(77), priority(2), priority(5, 5))
    expect(await peer.isAlive()).toBe(true)
  })

  it('6.5.3 SETTINGS, acknowledging each', async () => {
    const { peer } = await talk(openStream(role))
    const before = peer.count('SETTINGS')
    peer.send(settings({ MAX_CONCURRENT_STREAMS: 5 }), settings(), settings({ HEADER_TABLE_SIZE: 0 }))
    await peer.isAlive()
    expect(peer.count('SETTINGS')).toBe(before + 3)
  })

  it('6.7 PING, answering with the same payload, and no acknowledgement of an acknowledgement', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(ping('abcdefgh'), ping('ijklmnop', 1))
    const answer = await peer.receive('PING')
    expect([answer.flags, answer.payload.toString()]).toEqual([1, 'abcdefgh'])
    await peer.isAlive()
    expect(peer.count('PING')).toBe(role === 'client' ? 3 : 2)
  })

  it('6.8 GOAWAY, and lets its running streams end', async () => {
    const { peer, engine, events } = await talk(openStream(role))
    peer.send(goaway(1))
    await peer.isAlive()
    expect(engine.isUsable).toBe(false)
    peer.send(data(1, 'still', END_STREAM))
    await peer.isAlive()
    expect(events.slice(-2)).toEqual(['data 1 still', 'end 1'])
  })
})

describe('the roles differ', () => {
  it('6.5.2 a client does not take ENABLE_PUSH from a server', async () => {
    const { peer } = await talk(clientUnderTest())
    peer.send(settings({ ENABLE_PUSH: 1 }))
    expect(await peer.connectionError()).toBe('PROTOCOL_ERROR')
  })

  it('6.5.2 a server takes ENABLE_PUSH from a client, and pushes nothing', async () => {
    const { peer } = await talk(serverUnderTest({}, { ENABLE_PUSH: 1 }))
    expect(await peer.isAlive()).toBe(true)
  })

  it('6.8 a client whose stream the server has not looked at is told that it was refused', async () => {
    const { peer, request: ask, events } = await talk(clientUnderTest())
    await ask(get, true)
    await ask(get, true)
    peer.send(goaway(1))
    await peer.isAlive()
    expect(events).toEqual(['reset 3 REFUSED_STREAM'])
  })

  it('6.8 a client opens no stream behind GOAWAY', async () => {
    const { peer, request: ask, engine } = await talk(clientUnderTest())
    await ask(get)
    peer.send(goaway(1))
    await peer.isAlive()
    expect(() => engine.request(get, { onData() {}, onEnd() {}, onReset() {}, onWritable() {} })).toThrow(
      expect.objectContaining({ code: 'TUNNEL_LOST' }),
    )
  })

  it('4.3 a server puts a block together from CONTINUATION frames, empty ones included', async () => {
    const { peer, events } = await talk(serverUnderTest())
    const bytes = block(get)
    peer.send(
      frame('HEADERS', END_STREAM, 1, bytes.subarray(0, 5)),
      frame('CONTINUATION', 0, 1),
      frame('CONTINUATION', 0, 1, bytes.subarray(5, 6)),
      frame('CONTINUATION', END_HEADERS, 1, bytes.subarray(6)),
    )
    await peer.receive('HEADERS', 1)
    expect(events).toEqual(['request 1 :method=GET :scheme=http :path=/ :authority=web end', 'end 1'])
  })

  it('6.2 a server takes HEADERS with padding and priority', async () => {
    const { peer, events } = await talk(serverUnderTest())
    const payload = Buffer.concat([Buffer.from([3]), uint32(0), Buffer.from([7]), block(get), Buffer.alloc(3)])
    peer.send(frame('HEADERS', END_HEADERS | END_STREAM | PADDED | PRIORITY, 1, payload))
    await peer.receive('HEADERS', 1)
    expect(events[0]).toBe('request 1 :method=GET :scheme=http :path=/ :authority=web end')
  })

  it('4.2 a client splits a header block that the server takes only in pieces', async () => {
    const { peer, engine } = await talk(clientUnderTest())
    const value = 'x'.repeat(40_000)
    engine.request([...get, ['x-long', value]], { onData() {}, onEnd() {}, onReset() {}, onWritable() {} }, true)
    await peer.receive('CONTINUATION', 1)
    await peer.isAlive()
    const sizes = peer.frames.filter((one) => one.streamId === 1).map((one) => one.payload.length)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16_384)
    peer.send(headers(1, ok, END_STREAM))
    expect(await peer.isAlive()).toBe(true)
  })
})
