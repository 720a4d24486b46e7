import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, it } from 'vitest'
import type { H2Stream } from '#shared/http2'
import {
  ACK,
  block,
  connect,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  headers,
  integer,
  PREFACE,
  ping,
  priority,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/h2-frames.ts'
import {
  type Conversation,
  clientUnderTest,
  type EngineOptions,
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

function repeat(times: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: times }, (_, i) => make(i)))
}

const oddId = (i: number): number => 1 + 2 * i
const MIB = 1 << 20

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** What is still held of what `attack` made us take: live heap and buffers, in bytes. */
async function heldBy(attack: () => Promise<void>): Promise<number> {
  const held = async (): Promise<number> => {
    // Twice: buffers are let go by finalisers that run behind the first.
    for (let i = 0; i < 2; i++) {
      collectGarbage()
      await new Promise((resolve) => setImmediate(resolve))
    }
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = await held()
  await attack()
  return (await held()) - before
}

/** The greatest number of streams that were open at once in the owner's eyes. */
function countingOwner(): {
  readonly options: EngineOptions
  readonly peak: () => number
  readonly total: () => number
} {
  let peak = 0
  let total = 0
  const onRequest = (stream: H2Stream): void => {
    total++
    peak = Math.max(peak, stream.connection.streamCount)
  }
  return { options: { onRequest }, peak: () => peak, total: () => total }
}

describe('floods end the connection with ENHANCE_YOUR_CALM', () => {
  it.each<[string, Buffer]>([
    ['rapid reset', repeat(20_000, (i) => Buffer.concat([headers(oddId(i), connect), rstStream(oddId(i))]))],
    [
      'resets that the server is made to send: window overflow',
      repeat(20_000, (i) => Buffer.concat([headers(oddId(i), connect), windowUpdate(oddId(i), 2 ** 31 - 1)])),
    ],
    [
      'resets that the server is made to send: increments of 0',
      repeat(20_000, (i) => Buffer.concat([headers(oddId(i), connect), windowUpdate(oddId(i), 0)])),
    ],
    [
      'resets that the server is made to send: malformed requests',
      repeat(20_000, (i) => headers(oddId(i), [[':method', 'CONNECT']])),
    ],
    [
      'resets that the server is made to send: DATA behind the end',
      repeat(20_000, (i) => Buffer.concat([headers(oddId(i), connect, END_STREAM), data(oddId(i), 'x')])),
    ],
    ['PING', repeat(50_000, () => ping())],
    ['PING acknowledgements', repeat(50_000, () => ping('01234567', ACK))],
    ['SETTINGS', repeat(20_000, () => settings())],
    ['SETTINGS acknowledgements', repeat(20_000, () => settingsAck)],
    ['empty DATA', Buffer.concat([headers(1, connect), repeat(50_000, () => data(1))])],
    ['PRIORITY', repeat(50_000, (i) => priority(oddId(i)))],
    ['WINDOW_UPDATE of 1', Buffer.concat([headers(1, connect), repeat(50_000, () => windowUpdate(1, 1))])],
    ['WINDOW_UPDATE of 1 on the connection', repeat(50_000, () => windowUpdate(0, 1))],
    ['unknown frames', repeat(50_000, () => frame(99, 0, 0))],
    ['streams above the limit', repeat(20_000, (i) => headers(oddId(i), connect))],
    [
      'frames for a stream that the server has reset',
      Buffer.concat([headers(1, [[':method', 'CONNECT']]), repeat(50_000, () => rstStream(1))]),
    ],
  ])('%s', async (_title, flood) => {
    const owner = countingOwner()
    const { peer, engine } = await talk(serverUnderTest(owner.options))
    const startedMs = performance.now()
    peer.send(flood)
    expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
    // Some milliseconds on an idle machine.
    expect(performance.now() - startedMs).toBeLessThan(5_000)
    expect(owner.peak()).toBeLessThanOrEqual(200)
    expect(owner.total()).toBeLessThan(2_500)
    expect(engine.streamCount).toBe(0)
    // What the flood made us write stays small too.
    expect(peer.frames.length).toBeLessThan(5_000)
  })

  it('interim answers to a client', async () => {
    const { peer, request } = await talk(clientUnderTest())
    await request(get, true)
    peer.send(repeat(20_000, () => headers(1, [[':status', '103']])))
    expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
  })

  it('PING to a client', async () => {
    const { peer } = await talk(clientUnderTest())
    peer.send(repeat(50_000, () => ping()))
    expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
  })
})

describe('paced floods', () => {
  it('rapid resets of 100 at a time end the connection too', async () => {
    const owner = countingOwner()
    const { peer } = await talk(serverUnderTest(owner.options))
    for (let i = 0; i < 40 && !peer.isClosed; i++) {
      peer.send(
        repeat(100, (k) => Buffer.concat([headers(oddId(100 * i + k), connect), rstStream(oddId(100 * i + k))])),
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
    expect(owner.total()).toBeLessThan(2_500)
  })
})

describe('honest haste is no flood', () => {
  it('10,000 answers that the client aborts in the middle leave no stream open', async () => {
    const onRequest = (stream: H2Stream): void => {
      stream.respond([[':status', '200']])
      stream.write(Buffer.from('the beginning of'), 0, 16)
    }
    const { peer, engine } = await talk(serverUnderTest({ onRequest }))
    peer.send(windowUpdate(0, 1_000_000))
    for (let i = 0; i < 10_000; i += 100) {
      peer.send(repeat(100, (k) => headers(oddId(i + k), connect)))
      await peer.receive('DATA', oddId(i + 99))
      peer.send(repeat(100, (k) => rstStream(oddId(i + k))))
    }
    expect(await peer.isAlive()).toBe(true)
    expect(engine.streamCount).toBe(0)
  })
})

describe('header blocks', () => {
  it('endless CONTINUATION ends the connection within its limit', async () => {
    const { peer, events } = await talk(serverUnderTest())
    const fragment = Buffer.concat([Buffer.from([0, 1, 97]), Buffer.from([0x7f, 0x81, 0x3f]), Buffer.alloc(8192, 97)])
    const held = await heldBy(async () => {
      peer.send(frame('HEADERS', 0, 1, block(connect)))
      for (let i = 0; i < 200; i++) peer.send(repeat(10, () => frame('CONTINUATION', 0, 1, fragment)))
      expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
    })
    expect(events).toEqual([])
    expect(held).toBeLessThan(32 * MIB)
  })

  it('endless empty CONTINUATION ends the connection', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(
      frame('HEADERS', 0, 1, block(connect)),
      repeat(10_000, () => frame('CONTINUATION', 0, 1)),
    )
    expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
  })

  it('one field of 1 MiB ends the connection', async () => {
    const { peer } = await talk(serverUnderTest())
    const start = Buffer.concat([
      block(connect),
      Buffer.from([0, 1, 97, 0x7f, 0x81, 0xff, 0x3f]),
      Buffer.alloc(8000, 97),
    ])
    peer.send(
      frame('HEADERS', 0, 1, start),
      repeat(60, () => frame('CONTINUATION', 0, 1, Buffer.alloc(16_384, 97))),
    )
    expect(await peer.connectionError()).toBe('ENHANCE_YOUR_CALM')
  })

  it('a compression bomb costs its sender the stream, and us little memory', async () => {
    const { peer, events } = await talk(serverUnderTest({ onRequest: () => {} }))
    // One entry of 4 KiB, then 60,000 references to it: 240 MiB decoded, 60 KiB on the wire.
    const entry = Buffer.concat([Buffer.from([0x40, 1, 97]), integer(4000, 7), Buffer.alloc(4000, 118)])
    const held = await heldBy(async () => {
      peer.send(frame('HEADERS', END_HEADERS, 1, Buffer.concat([block(connect), entry])))
      const bomb = Buffer.concat([block(connect), Buffer.alloc(16_000, 0xbe)])
      for (let i = 1; i < 100; i++) {
        peer.send(frame('HEADERS', END_HEADERS, oddId(i), bomb))
        expect(await peer.streamError(oddId(i))).toBe('ENHANCE_YOUR_CALM')
      }
    })
    expect(events.filter((event) => event.startsWith('request'))).toHaveLength(1)
    expect(held).toBeLessThan(32 * MIB)
    expect(await peer.isAlive()).toBe(true)
  })

  it('a bomb of cookie crumbs is counted field by field', async () => {
    const { peer, events } = await talk(serverUnderTest())
    const crumbs = Buffer.concat([block(get), Buffer.from([0x60, 1, 97]), Buffer.alloc(10_000, 0xbe)])
    peer.send(frame('HEADERS', END_HEADERS | END_STREAM, 1, crumbs))
    expect(await peer.streamError(1)).toBe('ENHANCE_YOUR_CALM')
    expect(events).toEqual([])
  })

  it('a table size update behind a field ends the connection', async () => {
    const { peer } = await talk(serverUnderTest())
    peer.send(frame('HEADERS', END_HEADERS, 1, Buffer.concat([block(connect), Buffer.from([0x20])])))
    expect(await peer.connectionError()).toBe('COMPRESSION_ERROR')
  })
})

describe('silence ends the connection in time', () => {
  it('before the preface', async () => {
    const { peer } = await talk(rawServer({ limits: { firstSettingsTimeoutMs: 30 } }))
    expect(await peer.connectionError()).toBe('SETTINGS_TIMEOUT')
  })

  it('behind the preface', async () => {
    const { peer } = await talk(rawServer({ limits: { firstSettingsTimeoutMs: 30 } }))
    peer.send(PREFACE)
    expect(await peer.connectionError()).toBe('SETTINGS_TIMEOUT')
  })

  it('in the middle of the preface, octet after octet', async () => {
    const { peer } = await talk(rawServer({ limits: { firstSettingsTimeoutMs: 60 } }))
    const drip = setInterval(() => peer.send(PREFACE.subarray(0, 1)), 200)
    const outcome = await peer.connectionError().finally(() => clearInterval(drip))
    expect(['SETTINGS_TIMEOUT', 'PROTOCOL_ERROR']).toContain(outcome)
  })

  it('when our SETTINGS are never acknowledged', async () => {
    const { peer } = await talk(rawServer({ limits: { settingsAckTimeoutMs: 30 } }))
    peer.send(PREFACE, settings())
    expect(await peer.connectionError()).toBe('SETTINGS_TIMEOUT')
  })

  it('in the middle of a HEADERS frame', async () => {
    const { peer } = await talk(serverUnderTest({ limits: { headerBlockTimeoutMs: 30 } }))
    peer.send(frame('HEADERS', END_HEADERS, 1, Buffer.from([2]), 40))
    expect(['PROTOCOL_ERROR', 'ENHANCE_YOUR_CALM']).toContain(await peer.connectionError())
  })

  it('between HEADERS and CONTINUATION', async () => {
    const { peer } = await talk(serverUnderTest({ limits: { headerBlockTimeoutMs: 30 } }))
    peer.send(frame('HEADERS', 0, 1, block(connect)))
    expect(['PROTOCOL_ERROR', 'ENHANCE_YOUR_CALM']).toContain(await peer.connectionError())
  })

  it('when a PING is not answered', async () => {
    const { peer } = await talk(serverUnderTest({ limits: { pingIntervalMs: 20, pingTimeoutMs: 30 } }))
    await peer.receive('PING')
    expect(await peer.connectionError()).toBe('NO_ERROR')
  })
})

describe('a peer that does not read', () => {
  it('holds a stalled stream no longer than its deadline', async () => {
    const { peer, streams, events } = await talk(
      serverUnderTest({ limits: { stalledWindowTimeoutMs: 60 } }, { INITIAL_WINDOW_SIZE: 0 }),
    )
    peer.send(headers(1, get, END_STREAM))
    await peer.receive('HEADERS', 1)
    expect(streams.get(1)?.write(Buffer.from('answer'), 0, 6)).toBe(0)
    await peer.receive('RST_STREAM', 1)
    expect(events.at(-1)).toMatch(/^reset 1/)
    expect(await peer.isAlive()).toBe(true)
  })

  it('bounds what is queued for it, by stream and by connection', async () => {
    const limits = { maxQueuedStreamBytes: 256 * 1024, maxQueuedConnectionBytes: 512 * 1024 }
    const { peer, streams } = await talk(serverUnderTest({ limits }, { INITIAL_WINDOW_SIZE: 2 ** 31 - 1 }))
    peer.send(windowUpdate(0, 2 ** 31 - 1 - 65_535))
    for (let i = 0; i < 20; i++) peer.send(headers(oddId(i), connect))
    await peer.receive('HEADERS', oddId(19))
    peer.socket.pause()
    const chunk = Buffer.alloc(64 * 1024)
    let taken = 0
    const held = await heldBy(async () => {
      for (let round = 0; round < 200; round++) {
        for (const stream of streams.values()) taken += stream.write(chunk, 0, chunk.length)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    // What the kernel's socket buffers swallow, and our queue.
    expect(taken).toBeLessThan(16 * MIB)
    expect(held).toBeLessThan(8 * MIB)
    expect(streams.get(1)?.writableBytes).toBe(0)
  })

  it('gets no answers queued without end: PING while its socket is full', async () => {
    const { peer, streams, engine } = await talk(serverUnderTest({}, { INITIAL_WINDOW_SIZE: 2 ** 31 - 1 }))
    peer.send(windowUpdate(0, 2 ** 31 - 1 - 65_535), headers(1, connect))
    await peer.receive('HEADERS', 1)
    peer.socket.pause()
    const chunk = Buffer.alloc(64 * 1024)
    for (let round = 0; round < 200; round++) {
      streams.get(1)?.write(chunk, 0, chunk.length)
      await new Promise((resolve) => setImmediate(resolve))
    }
    peer.send(repeat(50_000, () => ping()))
    const { promise, resolve } = Promise.withResolvers<string>()
    engine.onClosed = resolve
    peer.socket.resume()
    expect(await promise).toContain('too many frames')
  })
})

describe('many connections', () => {
  it('that overflow their window leave nothing behind', async () => {
    const attack = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const { peer, close } = await serverUnderTest()
        peer.send(windowUpdate(0, 2 ** 31 - 1))
        expect(await peer.connectionError()).toBe('FLOW_CONTROL_ERROR')
        await close()
      }
    }
    await attack(50)
    const held = await heldBy(() => attack(300))
    expect(held).toBeLessThan(8 * MIB)
  })
})

describe('what the peer sends behind the end', () => {
  it('is not looked at, and the socket is closed though the peer goes on', async () => {
    const { peer, events } = await talk(serverUnderTest())
    peer.send(data(0, 'x'))
    const flood = setInterval(() => peer.send(headers(1, get, END_STREAM)), 1)
    expect(await peer.connectionError().finally(() => clearInterval(flood))).toBe('PROTOCOL_ERROR')
    expect(events).toEqual([])
  })
})

it('a connection whose peer has gone before it began is closed', async () => {
  const { peer, engine } = await talk(rawServer())
  const { promise, resolve } = Promise.withResolvers<string>()
  engine.onClosed = resolve
  peer.socket.destroy()
  expect(await promise).not.toBe('')
})
