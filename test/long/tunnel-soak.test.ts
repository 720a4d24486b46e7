import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { acceptH2, connectH2, type H2Limits } from '#shared/http2'
import { adoptSocket, hotSlabs, resetSocket } from '#shared/net'
import { H2StreamPump } from '../../src/shared/hbone/stream-pump.ts'
import { tlsPair } from '../support/socket-pairs.ts'

const WORKERS = 30
const DURATION_MS = 20_000
const SIZES = [1, 100, 5_000, 70_000, 300_000, 3_000_000]

/** What one connection does while it sends its bytes to an echo. */
type Behaviour = 'whole' | 'reads in fits' | 'resets' | 'closes' | 'aborts another'
const BEHAVIOURS: readonly Behaviour[] = [
  'whole',
  'whole',
  'whole',
  'reads in fits',
  'resets',
  'closes',
  'aborts another',
]

/** The same numbers for the same seed (mulberry32). */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

async function listen(onSocket: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, onSocket).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

const cases: [string, Partial<H2Limits>][] = [
  ['the usual windows', {}],
  ['small windows', { streamWindowBytes: 20_000, connectionWindowBytes: 70_000, maxFrameBytes: 16_384 }],
  ['small queues', { maxQueuedStreamBytes: 30_000, maxQueuedConnectionBytes: 60_000 }],
]

describe.each(cases)('thirty connections at a time through one tunnel, with %s', (_name, limits) => {
  it('carry every byte that arrives whole, get stuck never, and leave nothing behind', async () => {
    const seed = Date.now() | 0
    const below = numbersFrom(seed)
    const idleSlabs = hotSlabs.liveCount
    const pumps: H2StreamPump[] = []
    const echo = await listen((socket) => {
      socket.on('error', () => {})
      socket.pipe(socket)
    })
    const sockets = await tlsPair()
    const server = acceptH2(
      sockets.server,
      (stream) => {
        const pump = new H2StreamPump('target')
        pump.attach(stream)
        const options = { port: echo.port, host: '127.0.0.1', allowHalfOpen: true, onread: pump.onread }
        void pump.bind(connect(options as never, () => stream.respond([[':status', '200']])))
        pumps.push(pump)
        return pump
      },
      { limits },
    )
    const client = connectH2(sockets.client, { limits })
    let closedBecause: string | undefined
    client.onClosed = (reason) => {
      closedBecause = reason
    }
    const front = await listen((accepted) => {
      const pump = new H2StreamPump('opener')
      pump.onAnswer = () => void pump.bind(adoptSocket(accepted, pump.onread))
      pump.onLost = () => accepted.destroy()
      pump.attach(
        client.request(
          [
            [':method', 'CONNECT'],
            [':authority', 'a:1'],
          ],
          pump,
        ),
      )
    })

    const source = randomBytes(4_000_000)
    let whole = 0
    const run = async (): Promise<void> => {
      const behaviour = BEHAVIOURS[below(BEHAVIOURS.length)] as Behaviour
      const data = source.subarray(below(1000), 1000 + (SIZES[below(SIZES.length)] as number))
      const app = connect({ port: front.port, host: '127.0.0.1', allowHalfOpen: true })
      const closed = new Promise<void>((resolve) => app.once('close', () => resolve()))
      app.on('error', () => {})
      app.once('end', () => app.end())
      const hash = createHash('sha256')
      let received = 0
      app.on('data', (chunk) => {
        hash.update(chunk)
        received += chunk.length
        if (behaviour !== 'reads in fits' || below(5) > 0) return
        app.pause()
        setTimeout(() => app.resume(), below(50))
      })
      for (let at = 0; at < data.length && !app.destroyed; ) {
        const bytes = 1 + below(below(2) === 0 ? 2_000 : 200_000)
        const isRoom = app.write(data.subarray(at, at + bytes))
        at += bytes
        if (!isRoom) await Promise.race([new Promise((resolve) => app.once('drain', resolve)), closed])
        if (behaviour === 'resets' && below(10) === 0) resetSocket(app)
        else if (behaviour === 'closes' && below(10) === 0) app.destroy()
        else if (behaviour === 'aborts another' && below(20) === 0) pumps[below(pumps.length)]?.abort()
      }
      if (!app.destroyed) app.end()
      await closed
      if (received < data.length) return
      expect(hash.digest('hex'), `seed ${seed}`).toBe(createHash('sha256').update(data).digest('hex'))
      whole++
    }

    const untilMs = Date.now() + DURATION_MS
    const worker = async (): Promise<void> => {
      while (Date.now() < untilMs && closedBecause === undefined) await run()
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
    expect(closedBecause, `seed ${seed}`).toBeUndefined()
    expect(whole, `seed ${seed}`).toBeGreaterThan(100)
    await expect.poll(() => [client.streamCount, server.streamCount]).toEqual([0, 0])
    await Promise.all([client.close(), server.close()])
    await expect.poll(() => hotSlabs.liveCount).toBe(idleSlabs)
    echo.server.close()
    front.server.close()
  })
})
