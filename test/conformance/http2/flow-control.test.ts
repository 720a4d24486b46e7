import { afterEach, describe, expect, it } from 'vitest'
import {
  connect,
  data,
  END_STREAM,
  frame,
  headers,
  PADDED,
  rstStream,
  settings,
  windowUpdate,
} from '../../support/h2-frames.ts'
import { type Conversation, openStream, serverUnderTest } from '../../support/h2-peer.ts'

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
const DEFAULT_WINDOW = 65_535

/** Offers all of `bytes` to stream 1; returns how many were taken. */
function offer({ streams }: Conversation, bytes: number, id = 1): number {
  return streams.get(id)?.write(Buffer.alloc(bytes, 'x'), 0, bytes) ?? 0
}

/** DATA bytes that came on a stream. */
function received({ peer }: Conversation, id?: number): number {
  const frames = peer.frames.filter((one) => one.type === 'DATA' && (id === undefined || one.streamId === id))
  return frames.reduce((sum, one) => sum + one.payload.length, 0)
}

describe.each(roles)('sending: a %s', (role) => {
  it('sends no more than the stream\u2019s window, and goes on when it grows', async () => {
    const conversation = await talk(openStream(role))
    const { peer, events } = conversation
    expect(offer(conversation, 100_000)).toBe(DEFAULT_WINDOW)
    await peer.isAlive()
    expect(received(conversation)).toBe(DEFAULT_WINDOW)
    peer.send(windowUpdate(0, 50_000), windowUpdate(1, 10))
    await peer.isAlive()
    expect(events).toContain('writable 1')
    expect(offer(conversation, 100)).toBe(10)
  })

  it('sends no more than the connection\u2019s window', async () => {
    const conversation = await talk(openStream(role))
    const { peer } = conversation
    peer.send(windowUpdate(1, 1_000_000))
    await peer.isAlive()
    expect(offer(conversation, 100_000)).toBe(DEFAULT_WINDOW)
    expect(offer(conversation, 1)).toBe(0)
    peer.send(windowUpdate(0, 5))
    await peer.isAlive()
    expect(offer(conversation, 100)).toBe(5)
  })

  it('6.9.2 follows a changed initial window size, also below zero', async () => {
    const conversation = await talk(openStream(role))
    const { peer, events } = conversation
    peer.send(windowUpdate(0, 1_000_000))
    await peer.isAlive()
    expect(offer(conversation, 100_000)).toBe(DEFAULT_WINDOW)
    peer.send(settings({ INITIAL_WINDOW_SIZE: 16_384 }), windowUpdate(1, DEFAULT_WINDOW - 16_384))
    await peer.isAlive()
    expect(offer(conversation, 1)).toBe(0)
    const before = events.length
    peer.send(windowUpdate(1, 1))
    await peer.isAlive()
    expect(events.slice(before)).toEqual(['writable 1'])
    expect(offer(conversation, 100)).toBe(1)
    peer.send(settings({ INITIAL_WINDOW_SIZE: 16_394 }))
    await peer.isAlive()
    expect(offer(conversation, 100)).toBe(10)
  })

  it('6.9.2 ends the connection when a changed initial size makes a window too large', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(windowUpdate(1, 1), settings({ INITIAL_WINDOW_SIZE: 2 ** 31 - 1 }))
    expect(await peer.connectionError()).toBe('FLOW_CONTROL_ERROR')
  })

  it('6.9 resets the stream for an increment of 0', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(windowUpdate(1, 0))
    expect(await peer.streamError(1)).toBe('PROTOCOL_ERROR')
    expect(await peer.isAlive()).toBe(true)
  })

  it('6.9.1 resets the stream when its window grows above 2^31-1', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(windowUpdate(1, 2 ** 31 - 1))
    expect(await peer.streamError(1)).toBe('FLOW_CONTROL_ERROR')
    expect(await peer.isAlive()).toBe(true)
  })

  it('6.9.1 takes a window of exactly 2^31-1', async () => {
    const { peer } = await talk(openStream(role))
    peer.send(windowUpdate(0, 2 ** 31 - 1 - DEFAULT_WINDOW), windowUpdate(1, 2 ** 31 - 1 - DEFAULT_WINDOW))
    expect(await peer.isAlive()).toBe(true)
  })

  it('4.2 keeps to the peer\u2019s frame size', async () => {
    const conversation = await talk(openStream(role))
    const { peer } = conversation
    offer(conversation, 60_000)
    await peer.isAlive()
    const sizes = peer.frames.filter((one) => one.type === 'DATA').map((one) => one.payload.length)
    expect(Math.max(...sizes)).toBe(16_384)
    expect(received(conversation)).toBe(60_000)
  })

  it('6.9 ends a stream though there is no window: an empty frame costs none', async () => {
    const conversation = await talk(openStream(role))
    const { peer, streams } = conversation
    offer(conversation, 100_000)
    streams.get(1)?.end()
    await peer.isAlive()
    expect(peer.frames.filter((one) => one.type === 'DATA').at(-1)).toMatchObject({ flags: END_STREAM })
  })
})

describe.each(roles)('receiving: a %s', (role) => {
  it('6.9 gives window back as payload is consumed, to stream and connection', async () => {
    const conversation = await talk(openStream(role))
    const { peer } = conversation
    for (let i = 0; i < 20; i++) {
      peer.send(data(1, Buffer.alloc(16_000)))
      await peer.isAlive()
    }
    const credit = (id: number): number =>
      peer.frames
        .filter((one) => one.type === 'WINDOW_UPDATE' && one.streamId === id)
        .reduce((sum, one) => sum + one.payload.readUInt32BE(0), 0)
    expect(credit(1)).toBeGreaterThan(320_000 - DEFAULT_WINDOW)
    expect(credit(0)).toBeGreaterThan(320_000 - DEFAULT_WINDOW)
  })

  it('6.9.1 resets a stream whose window is exceeded', async () => {
    const limits = { streamWindowBytes: 20_000, connectionWindowBytes: 1 << 20 }
    const { peer } = await talk(openStream(role, { isSlow: true, limits }))
    peer.send(data(1, Buffer.alloc(16_000)), data(1, Buffer.alloc(16_000)))
    expect(await peer.streamError(1)).toBe('FLOW_CONTROL_ERROR')
    expect(await peer.isAlive()).toBe(true)
  })

  it('6.9.1 ends a connection whose window is exceeded', async () => {
    const { peer } = await talk(openStream(role, { isSlow: true, limits: { streamWindowBytes: 1 << 20 } }))
    for (let i = 0; i < 5; i++) peer.send(data(1, Buffer.alloc(16_000)))
    expect(await peer.connectionError()).toBe('FLOW_CONTROL_ERROR')
  })

  it('6.1 counts padding', async () => {
    const limits = { streamWindowBytes: 500, connectionWindowBytes: 1 << 20 }
    const { peer } = await talk(openStream(role, { isSlow: true, limits }))
    const padded = frame('DATA', PADDED, 1, Buffer.concat([Buffer.from([200]), Buffer.alloc(300)]))
    peer.send(padded, padded)
    expect(await peer.streamError(1)).toBe('FLOW_CONTROL_ERROR')
  })

  it('gives padding back at once, as nobody consumes it', async () => {
    const limits = { streamWindowBytes: 1000, connectionWindowBytes: 1 << 20 }
    const { peer, events } = await talk(openStream(role, { limits }))
    const padded = frame('DATA', PADDED, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(256)]))
    for (let i = 0; i < 50; i++) {
      peer.send(padded)
      await peer.isAlive()
    }
    expect(events.filter((event) => event.startsWith('reset'))).toEqual([])
  })

  it('a window of zero bytes for us holds nothing up but payload', async () => {
    const { peer, events } = await talk(openStream(role, { isSlow: true, limits: { streamWindowBytes: 16 } }))
    peer.send(data(1, Buffer.alloc(16)), data(1, '', END_STREAM))
    await peer.isAlive()
    expect(events.at(-1)).toBe('end 1')
  })
})

describe('streams of one connection', () => {
  it('a stream whose reader is slow holds only its own window', async () => {
    const limits = { streamWindowBytes: 65_535, connectionWindowBytes: 1 << 20 }
    const conversation = await talk(serverUnderTest({ isSlow: true, limits }))
    const { peer, events } = conversation
    peer.send(headers(1, connect), headers(3, connect))
    for (let i = 0; i < 4; i++) peer.send(data(1, Buffer.alloc(16_000)))
    peer.send(data(3, 'other'))
    await peer.isAlive()
    expect(events.at(-1)).toBe('data 3 other')
  })

  it('a reset stream gives the connection back what it held', async () => {
    const conversation = await talk(serverUnderTest({ isSlow: true, limits: { streamWindowBytes: 65_535 } }))
    const { peer } = conversation
    for (let id = 1; id < 20; id += 2) {
      peer.send(headers(id, connect))
      for (let i = 0; i < 3; i++) peer.send(data(id, Buffer.alloc(16_000)))
      peer.send(rstStream(id))
      await peer.isAlive()
    }
    expect(await peer.isAlive()).toBe(true)
  })

  it('share the connection\u2019s window: a waiting stream is told when it grows', async () => {
    const conversation = await talk(serverUnderTest())
    const { peer, events } = conversation
    peer.send(headers(1, connect), headers(3, connect))
    await peer.isAlive()
    expect(offer(conversation, 100_000, 1)).toBe(DEFAULT_WINDOW)
    expect(offer(conversation, 10, 3)).toBe(0)
    peer.send(windowUpdate(0, 1000))
    await peer.isAlive()
    expect(events).toContain('writable 3')
    expect(offer(conversation, 10, 3)).toBe(10)
  })
})
