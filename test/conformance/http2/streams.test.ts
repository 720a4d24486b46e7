import { afterEach, describe, expect, it } from 'vitest'
import {
  block,
  connect,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  ok,
  ping,
  post,
  priority,
  rstStream,
  windowUpdate,
} from '../../support/h2-frames.ts'
import { type Conversation, clientUnderTest, openStream, serverUnderTest } from '../../support/h2-peer.ts'

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

describe('5.1 idle: a server ends the connection for', () => {
  it.each([
    ['DATA', data(1, 'x')],
    ['RST_STREAM', rstStream(1)],
    ['WINDOW_UPDATE', windowUpdate(1, 1)],
    ['CONTINUATION', frame('CONTINUATION', END_HEADERS, 1, block(get))],
    ['DATA on a stream that only the server could open', data(2, 'x')],
    ['WINDOW_UPDATE on a stream that only the server could open', windowUpdate(2, 1)],
  ])('%s', async (_title, bytes) => {
    const { peer } = await talk(serverUnderTest())
    peer.send(bytes)
    expect(await peer.connectionError()).toBe('PROTOCOL_ERROR')
  })
})

describe('5.1 idle: a client ends the connection for', () => {
  it.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', headers(1, ok)],
    ['HEADERS of a stream that the server opens', headers(2, get)],
    ['RST_STREAM', rstStream(1)],
    ['WINDOW_UPDATE', windowUpdate(1, 1)],
  ])('%s', async (_title, bytes) => {
    const { peer } = await talk(clientUnderTest())
    peer.send(bytes)
    expect(await peer.connectionError()).toBe('PROTOCOL_ERROR')
  })
})

describe.each(roles)('5.1 half-closed (remote): a %s', (role) => {
  it('resets the stream for DATA behind END_STREAM', async () => {
    const { peer, events } = await talk(openStream(role))
    peer.send(data(1, '', END_STREAM), data(1, 'more'))
    expect(await peer.streamError(1)).toBe('STREAM_CLOSED')
    expect(events.at(-1)).toBe('reset 1 STREAM_CLOSED')
    expect(await peer.isAlive()).toBe(true)
  })

  it('resets the stream for HEADERS behind END_STREAM', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(data(1, '', END_STREAM), headers(1, [['x-late', 'y']], END_STREAM))
    expect(await peer.streamError(1)).toBe('STREAM_CLOSED')
    expect(await peer.isAlive()).toBe(true)
  })

  it('takes WINDOW_UPDATE, PRIORITY and RST_STREAM', async () => {
    const { peer, events } = await talk(openStream(role))
    peer.send(data(1, '', END_STREAM), windowUpdate(1, 10), priority(1), rstStream(1))
    expect(await peer.isAlive()).toBe(true)
    expect(events.slice(-2)).toEqual(['end 1', 'reset 1 CANCEL'])
  })

  it('may still send', async () => {
    const { peer, streams } = await talk(openStream(role))
    peer.send(data(1, '', END_STREAM))
    await peer.isAlive()
    const stream = streams.get(1)
    expect(stream?.write(Buffer.from('answer'), 0, 6)).toBe(6)
    stream?.end()
    expect((await peer.receive('DATA', 1)).payload.toString()).toBe('answer')
    expect((await peer.receive('DATA', 1)).flags).toBe(END_STREAM)
  })
})

describe.each(roles)('5.1 half-closed (local): a %s', (role) => {
  it('may still receive, and sends nothing more', async () => {
    const { peer, streams, events } = await talk(openStream(role))
    streams.get(1)?.end()
    await peer.receive('DATA', 1)
    expect(streams.get(1)?.write(Buffer.from('x'), 0, 1)).toBe(0)
    peer.send(data(1, 'late', END_STREAM))
    await peer.isAlive()
    expect(events.slice(-2)).toEqual(['data 1 late', 'end 1'])
    expect(streams.get(1)?.isOpen).toBe(false)
    expect(peer.count('DATA')).toBe(1)
  })
})

describe.each(roles)('5.1 closed: a %s', (role) => {
  it('ignores what was under way when it reset the stream', async () => {
    const { peer, streams, events } = await talk(openStream(role))
    streams.get(1)?.reset(8)
    expect(await peer.streamError(1)).toBe('CANCEL')
    const before = events.length
    peer.send(data(1, 'late'), headers(1, [['x-late', 'y']], END_STREAM), windowUpdate(1, 5), rstStream(1), priority(1))
    expect(await peer.isAlive()).toBe(true)
    expect(events).toHaveLength(before)
    expect(peer.count('RST_STREAM')).toBe(1)
  })

  it('gives the connection the window back for DATA that it ignored', async () => {
    const { peer, streams } = await talk(openStream(role))
    streams.get(1)?.reset(8)
    for (let i = 0; i < 5; i++) peer.send(data(1, Buffer.alloc(16_000)))
    expect(await peer.isAlive()).toBe(true)
    const given = peer.frames.filter((one) => one.type === 'WINDOW_UPDATE' && one.streamId === 0)
    expect(given.reduce((sum, one) => sum + one.payload.readUInt32BE(0), 0)).toBeGreaterThanOrEqual(32_000)
  })

  it.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', headers(1, [['x-late', 'y']], END_STREAM)],
  ])('answers STREAM_CLOSED for %s behind the peer\u2019s own reset', async (_title, bytes) => {
    const { peer } = await talk(openStream(role))
    peer.send(rstStream(1), bytes)
    expect(await peer.streamError(1)).toBe('STREAM_CLOSED')
    expect(await peer.isAlive()).toBe(true)
  })

  it.each([
    ['DATA', data(1, 'x')],
    ['HEADERS', headers(1, [['x-late', 'y']], END_STREAM)],
  ])('ends the connection for %s on a stream that both sides had ended', async (_title, bytes) => {
    const { peer, streams } = await talk(openStream(role))
    streams.get(1)?.end()
    peer.send(data(1, '', END_STREAM))
    await peer.isAlive()
    peer.send(bytes)
    expect(await peer.connectionError()).toBe('STREAM_CLOSED')
  })

  it('ignores WINDOW_UPDATE, RST_STREAM and PRIORITY on a stream that had ended', async () => {
    const { peer, streams } = await talk(openStream(role))
    streams.get(1)?.end()
    peer.send(data(1, '', END_STREAM))
    await peer.isAlive()
    peer.send(windowUpdate(1, 1), rstStream(1), priority(1))
    expect(await peer.isAlive()).toBe(true)
  })
})

describe('5.1.1 stream identifiers', () => {
  it('a server ends the connection for an even one', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(2, get, END_STREAM))
    expect(await peer.connectionError()).toBe('PROTOCOL_ERROR')
  })

  it('a server ends the connection for one below the last', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(5, get, END_STREAM), headers(3, get, END_STREAM))
    expect(['PROTOCOL_ERROR', 'STREAM_CLOSED']).toContain(await peer.connectionError())
  })

  it('a server ends the connection for DATA on one that was skipped', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(5, get, END_STREAM), data(3, 'x'))
    expect(['PROTOCOL_ERROR', 'STREAM_CLOSED']).toContain(await peer.connectionError())
  })

  it('a server takes the highest one', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(2 ** 31 - 1, get, END_STREAM))
    expect((await peer.receive('HEADERS')).streamId).toBe(2 ** 31 - 1)
  })

  it('a client counts 1, 3, 5', async () => {
    const { request } = await talk(clientUnderTest())
    expect([(await request(get)).id, (await request(get)).id, (await request(get)).id]).toEqual([1, 3, 5])
  })
})

describe('5.1.2 concurrent streams', () => {
  it('a server refuses those above its limit and takes new ones when others have ended', async () => {
    const { peer, streams } = await talk(serverUnderTest({ limits: { maxConcurrentStreams: 2 } }))
    peer.send(headers(1, post), headers(3, post), headers(5, post))
    expect(await peer.streamError(5)).toBe('REFUSED_STREAM')
    streams.get(1)?.end()
    peer.send(data(1, '', END_STREAM), headers(7, post))
    expect((await peer.receive('HEADERS', 7)).streamId).toBe(7)
  })

  it('a server keeps its compression table in step through a refused stream', async () => {
    const { peer, events } = await talk(serverUnderTest({ limits: { maxConcurrentStreams: 1 } }))
    const indexed = Buffer.concat([block(post), Buffer.from([0x40, 1, 0x61, 1, 0x62])])
    peer.send(headers(1, post), frame('HEADERS', END_HEADERS, 3, indexed))
    expect(await peer.streamError(3)).toBe('REFUSED_STREAM')
    peer.send(rstStream(1), frame('HEADERS', END_HEADERS, 5, Buffer.concat([block(post), Buffer.from([0xbe])])))
    await peer.isAlive()
    expect(events.at(-1)).toMatch(/request 5 .* a=b$/)
  })

  it('a client opens no more than the server allows', async () => {
    const { engine, request } = await talk(clientUnderTest({}, { MAX_CONCURRENT_STREAMS: 1 }))
    await request(get)
    expect(engine.peerMaxConcurrentStreams).toBe(1)
    expect(() => engine.request(get, { onData() {}, onEnd() {}, onReset() {}, onWritable() {} })).toThrow(
      expect.objectContaining({ code: 'TUNNEL_LOST' }),
    )
  })
})

describe('5.4.1 a connection error', () => {
  it('names the last stream that was taken', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(headers(1, get, END_STREAM), headers(3, get, END_STREAM), data(0, 'x'))
    const last = await peer.receive('GOAWAY')
    expect(last.payload.readUInt32BE(0)).toBe(3)
    await peer.closed()
  })

  it('leaves no frame behind it looked at', async () => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(data(0, 'x'), headers(1, get, END_STREAM), ping())
    expect(await peer.connectionError()).toBe('PROTOCOL_ERROR')
    expect(events).toEqual([])
    expect(peer.count('PING')).toBe(0)
  })
})

describe('6.8 a server that drains', () => {
  it('says GOAWAY twice, takes what was under way, and closes behind the last stream', async () => {
    const { peer, engine, streams } = await talk(serverUnderTest())
    peer.send(headers(1, connect))
    await peer.receive('HEADERS', 1)
    const drained = engine.drain({ mode: 'graceful', deadlineMs: 60_000 })
    const notice = await peer.receive('GOAWAY')
    expect(notice.payload.readUInt32BE(0)).toBe(2 ** 31 - 1)
    peer.send(headers(3, connect))
    const probe = await peer.receive('PING')
    peer.send(frame('PING', 1, 0, probe.payload))
    const last = await peer.receive('GOAWAY')
    expect(last.payload.readUInt32BE(0)).toBe(3)
    peer.send(headers(5, connect))
    await peer.isAlive()
    expect([...streams.keys()]).toEqual([1, 3])
    for (const id of [1, 3]) {
      streams.get(id)?.end()
      peer.send(data(id, '', END_STREAM))
    }
    await drained
    await peer.closed()
  })

  it('cuts what is left at the deadline', async () => {
    const { peer, engine, events } = await talk(serverUnderTest())
    peer.send(headers(1, connect))
    await peer.receive('HEADERS', 1)
    await engine.drain({ mode: 'graceful', deadlineMs: 20 })
    await peer.closed()
    expect(events.at(-1)).toMatch(/^reset 1/)
  })
})
