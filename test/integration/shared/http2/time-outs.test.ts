import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { acceptH2, connectH2, type H2Connection, type H2Limits, type H2Stream } from '#shared/http2'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MessageCollector } from '../../../support/h2-exchange.ts'
import { tcpPair } from '../../../support/socket-pairs.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const SETTINGS = Buffer.from('000000040000000000', 'hex')
const SETTINGS_ACK = Buffer.from('000000040100000000', 'hex')
/** A CONNECT on stream 1, by its own literals. */
const CONNECT = Buffer.from('0000130104000000010207434f4e4e454354010831302e302e302e31', 'hex')

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Scene {
  readonly clock: FakeClock
  readonly connection: H2Connection
  readonly peer: Socket
  readonly closedWith: Promise<string>
  readonly streams: H2Stream[]
  readonly collectors: MessageCollector[]
}

async function serverWith(limits: Partial<H2Limits>): Promise<Scene> {
  const { client: peer, server } = await tcpPair()
  const clock = new FakeClock()
  const streams: H2Stream[] = []
  const collectors: MessageCollector[] = []
  const connection = acceptH2(
    server,
    (stream) => {
      const collector = new MessageCollector()
      collector.stream = stream
      streams.push(stream)
      collectors.push(collector)
      return collector
    },
    { clock, limits },
  )
  const closedWith = new Promise<string>((resolve) => {
    connection.onClosed = resolve
  })
  peer.on('error', () => {})
  peer.resume()
  cleanups.push(() => {
    peer.destroy()
    return connection.close()
  })
  return { clock, connection, peer, closedWith, streams, collectors }
}

/** Lets what was written arrive, through the kernel. */
async function arrived(scene: Scene, bytes: number): Promise<void> {
  await expect.poll(() => scene.connection.meter.sentBytes).toBeGreaterThanOrEqual(bytes)
}

describe('a server cuts a peer that', () => {
  it('never sends its SETTINGS', async () => {
    const scene = await serverWith({ firstSettingsTimeoutMs: 3_000 })
    scene.peer.write(PREFACE)
    await arrived(scene, PREFACE.length)
    await scene.clock.advance(2_999)
    expect(scene.connection.isUsable).toBe(true)
    await scene.clock.advance(1)
    expect(await scene.closedWith).toBe('no SETTINGS in time')
  })

  it('never acknowledges ours', async () => {
    const scene = await serverWith({ settingsAckTimeoutMs: 5_000, pingIntervalMs: 0 })
    scene.peer.write(Buffer.concat([PREFACE, SETTINGS]))
    await arrived(scene, PREFACE.length + 9)
    await scene.clock.advance(5_000)
    expect(await scene.closedWith).toBe('SETTINGS not acknowledged in time')
  })

  it('begins a header block and does not end it', async () => {
    const scene = await serverWith({ headerBlockTimeoutMs: 4_000, pingIntervalMs: 0 })
    scene.peer.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, CONNECT.subarray(0, 15)]))
    await arrived(scene, PREFACE.length + 18 + 15)
    await scene.clock.advance(3_999)
    expect(scene.connection.isUsable).toBe(true)
    await scene.clock.advance(1)
    expect(await scene.closedWith).toBe('header block not complete in time')
  })

  it('does not answer PING', async () => {
    const scene = await serverWith({ pingIntervalMs: 10_000, pingTimeoutMs: 20_000 })
    scene.peer.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK]))
    await arrived(scene, PREFACE.length + 18)
    await scene.clock.advance(29_999)
    expect(scene.connection.isUsable).toBe(true)
    await scene.clock.advance(1)
    expect(await scene.closedWith).toBe('no answer to PING')
  })
})

describe('a server keeps a peer that', () => {
  it('ends its header block in time', async () => {
    const scene = await serverWith({ headerBlockTimeoutMs: 4_000, pingIntervalMs: 0 })
    scene.peer.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, CONNECT.subarray(0, 15)]))
    await arrived(scene, PREFACE.length + 18 + 15)
    await scene.clock.advance(3_000)
    scene.peer.write(CONNECT.subarray(15))
    await expect.poll(() => scene.streams.length).toBe(1)
    await scene.clock.advance(100_000)
    expect(scene.connection.isUsable).toBe(true)
    expect(scene.clock.pendingTimers).toBe(0)
  })
})

it('resets a stream whose peer gives no window in time, and only that one', async () => {
  const scene = await serverWith({ stalledWindowTimeoutMs: 10_000, pingIntervalMs: 0 })
  scene.peer.write(Buffer.concat([PREFACE, SETTINGS, SETTINGS_ACK, CONNECT]))
  await expect.poll(() => scene.streams.length).toBe(1)
  const [stream] = scene.streams
  stream?.respond([[':status', '200']])
  expect(stream?.write(Buffer.alloc(100_000), 0, 100_000)).toBe(65_535)
  await scene.clock.advance(15_000)
  await expect(scene.collectors[0]?.message).rejects.toThrow('no window in time')
  expect(scene.connection.isUsable).toBe(true)
})

it('a connection that its peer drops tells every stream, and leaves no timer', async () => {
  const { client, server } = await tcpPair()
  const clock = new FakeClock()
  const connection = connectH2(client, { clock })
  const collectors = [new MessageCollector(), new MessageCollector()]
  for (const collector of collectors)
    connection.request(
      [
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ],
      collector,
    )
  const closed = new Promise((resolve) => client.once('close', resolve))
  server.resetAndDestroy()
  await closed
  for (const { message } of collectors) await expect(message).rejects.toThrow(/reset 2: connection lost/)
  expect(connection.streamCount).toBe(0)
  expect(clock.pendingTimers).toBe(0)
  expect(() => connection.request([], new MessageCollector())).toThrow(expect.objectContaining({ code: 'TUNNEL_LOST' }))
})

describe('the end of a connection whose peer reads slowly', () => {
  /** A stream that has ended on both sides, with half a MiB of its answer still queued. */
  async function slowReader(): Promise<Scene & { readonly sentBytes: number }> {
    const scene = await serverWith({ pingIntervalMs: 0 })
    scene.peer.pause()
    const windows = Buffer.from('00000604000000000000047fffffff000004080000000000' + '7fff0000', 'hex')
    const ended = Buffer.from(CONNECT)
    ended[4] = 0x05
    scene.peer.write(Buffer.concat([PREFACE, windows, SETTINGS_ACK, ended]))
    await expect.poll(() => scene.streams.length).toBe(1)
    const stream = scene.streams[0] as H2Stream
    stream.respond([[':status', '200']])
    let sentBytes = 0
    const payload = Buffer.alloc(64 * 1024)
    for (let taken = -1; taken !== 0; sentBytes += taken) {
      taken = stream.write(payload, 0, payload.length)
      // The kernel takes what it can before the queue counts as full.
      await new Promise((resolve) => setImmediate(resolve))
    }
    stream.end()
    return { ...scene, sentBytes }
  }

  it('waits for what is queued when it drains', async () => {
    const scene = await slowReader()
    const drained = scene.connection.drain({ mode: 'graceful', deadlineMs: 60_000 })
    await scene.clock.advance(20_000)
    let received = 0
    scene.peer.on('data', (chunk) => {
      received += chunk.length
    })
    scene.peer.resume()
    await drained
    expect(received).toBeGreaterThan(scene.sentBytes)
  })

  it('does not wait beyond the deadline', async () => {
    const scene = await slowReader()
    const drained = scene.connection.drain({ mode: 'graceful', deadlineMs: 5_000 })
    await scene.clock.advance(5_000)
    await drained
  })
})
