import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { acceptH2, connectH2, type H2ClientConnection, type H2Connection, type H2Limits } from '#shared/http2'
import { adoptSocket, type CopyResult, hotSlabs, smallSlabs, tinySlabs } from '#shared/net'
import { H2StreamPump } from '../../../../src/shared/hbone/stream-pump.ts'
import { tcpPair, tlsPair } from '../../../support/socket-pairs.ts'

/** app ⇄ pump ⇄ HTTP/2 ⇄ pump ⇄ server, as two hops of the mesh do it. */
interface Tunnel {
  readonly client: H2ClientConnection
  readonly server: H2Connection
  /** Connects an app socket to `target` through the tunnel. */
  open(targetPort: number): Promise<{ readonly app: Socket; readonly results: Promise<CopyResult>[] }>
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function listen(onConnection: (socket: Socket) => void, options: object = {}): Promise<number> {
  const server = createServer({ allowHalfOpen: true, ...options }, (socket) => {
    socket.on('error', () => {})
    cleanups.push(() => socket.destroy())
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return (server.address() as AddressInfo).port
}

async function tunnelOver(pair: typeof tcpPair, limits: Partial<H2Limits> = {}): Promise<Tunnel> {
  const sockets = await pair()
  const results: Promise<CopyResult>[] = []
  const server = acceptH2(
    sockets.server,
    (stream, headers) => {
      const pump = new H2StreamPump('target')
      pump.attach(stream)
      const port = Number(headers.find(([name]) => name === ':authority')?.[1].split(':')[1])
      const socket = connect({
        port,
        host: '127.0.0.1',
        allowHalfOpen: true,
        noDelay: true,
        onread: pump.onread,
      } as never)
      socket.once('connect', () => stream.respond([[':status', '200']]))
      results.push(pump.bind(socket))
      return pump
    },
    { limits },
  )
  const client = connectH2(sockets.client, { limits })
  cleanups.push(() => Promise.all([client.close(), server.close()]))
  const waiting: ((socket: Socket) => void)[] = []
  const port = await listen((socket) => waiting.shift()?.(socket), { pauseOnConnect: true, noDelay: true })
  return {
    client,
    server,
    async open(targetPort) {
      const opened = new Promise<void>((resolve) => {
        waiting.push((accepted) => {
          const pump = new H2StreamPump('opener')
          pump.onAnswer = () => {
            results.push(pump.bind(adoptSocket(accepted, pump.onread)))
            resolve()
          }
          pump.attach(
            client.request(
              [
                [':method', 'CONNECT'],
                [':authority', `127.0.0.1:${targetPort}`],
              ],
              pump,
            ),
          )
        })
      })
      const app = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
      cleanups.push(() => app.destroy())
      await opened
      return { app, results }
    },
  }
}

/** Everything a socket receives until its end, as a SHA-256. */
async function digestOf(socket: Socket): Promise<{ readonly hash: string; readonly bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { hash: hash.digest('hex'), bytes }
}

/** Writes about `bytes` random bytes in pieces of odd sizes and half-closes. */
async function sendBulk(socket: Socket, bytes: number): Promise<{ readonly hash: string; readonly bytes: number }> {
  const hash = createHash('sha256')
  const source = randomBytes(1_000_003)
  let sent = 0
  for (let i = 0; sent < bytes; i++) {
    const piece = source.subarray(i % 1000, (i % 1000) + 1 + ((i * 7919) % 900_000))
    hash.update(piece)
    sent += piece.length
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  socket.end()
  return { hash: hash.digest('hex'), bytes: sent }
}

describe.each([
  ['plain TCP', tcpPair],
  ['mutual TLS', tlsPair],
])('a tunnel over %s', (_name, pair) => {
  it('carries a small exchange and both half-closes', async () => {
    const target = await listen((socket) => {
      socket.on('data', (data) => socket.write(`got ${data}`))
      socket.on('end', () => socket.end('bye'))
    })
    const tunnel = await tunnelOver(pair)
    const { app, results } = await tunnel.open(target)
    app.end('hello')
    const received = await digestOf(app)
    expect(received.bytes).toBe('got hello'.length + 'bye'.length)
    const [inbound, outbound] = await Promise.all(results)
    expect(outbound).toEqual({ meter: { sentBytes: 5, receivedBytes: 12 }, endedBy: 'end', error: undefined })
    expect(inbound).toEqual({ meter: { sentBytes: 5, receivedBytes: 12 }, endedBy: 'end', error: undefined })
    expect(tunnel.client.streamCount).toBe(0)
    expect(tunnel.server.streamCount).toBe(0)
  })

  it.each([
    ['default windows', {}],
    [
      'windows far smaller than the data',
      { streamWindowBytes: 70_000, connectionWindowBytes: 100_000, maxFrameBytes: 16_384 },
    ],
  ])('carries bulk both ways at once byte for byte: %s', async (_case, limits) => {
    const bytes = 24_000_000
    let uploaded: ReturnType<typeof digestOf> | undefined
    let downSent: ReturnType<typeof sendBulk> | undefined
    const target = await listen((socket) => {
      uploaded = digestOf(socket)
      downSent = sendBulk(socket, bytes)
    })
    const tunnel = await tunnelOver(pair, limits)
    const { app, results } = await tunnel.open(target)
    const [downloaded, upSent] = await Promise.all([digestOf(app), sendBulk(app, bytes)])
    expect(downloaded).toEqual(await downSent)
    expect(await uploaded).toEqual(upSent)
    for (const result of await Promise.all(results)) expect(result.endedBy).toBe('end')
  })

  it('keeps one direction open as long as it likes after the other has ended', async () => {
    const target = await listen((socket) => {
      socket.resume()
      socket.on('end', () => {
        socket.write('late ')
        setImmediate(() => socket.end('answer'))
      })
    })
    const tunnel = await tunnelOver(pair)
    const { app } = await tunnel.open(target)
    app.end()
    const chunks: Buffer[] = []
    for await (const chunk of app) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('late answer')
  })

  it('holds a fast sender back while the receiver does not read', async () => {
    let target: Socket | undefined
    const port = await listen(
      (socket) => {
        target = socket
      },
      { pauseOnConnect: true },
    )
    const limits = { streamWindowBytes: 100_000, connectionWindowBytes: 200_000 }
    const tunnel = await tunnelOver(pair, limits)
    const { app } = await tunnel.open(port)
    const sent = sendBulk(app, 30_000_000)
    await once(app, 'drain')
    const before = tunnel.client.meter.sentBytes
    expect(before).toBeLessThan(30_000_000)
    expect(target).toBeDefined()
    const received = digestOf(target as Socket)
    expect(await received).toEqual(await sent)
  })

  it('tells a reset of the target as a broken connection', async () => {
    const target = await listen((socket) => {
      socket.once('data', () => socket.resetAndDestroy())
    })
    const tunnel = await tunnelOver(pair)
    const { app, results } = await tunnel.open(target)
    app.on('error', () => {})
    app.write('x')
    app.resume()
    await once(app, 'end')
    const [inbound, outbound] = await Promise.all(results)
    expect(inbound?.endedBy).toBe('target')
    expect(inbound?.error).toMatchObject({ code: 'ECONNRESET' })
    expect(outbound).toMatchObject({ endedBy: 'target', error: undefined })
  })
})

it('leaves no slab, stream or credit behind, whatever ends its connections', async () => {
  // The slab that quiet connections share is taken once and kept.
  await (await tunnelOver(tcpPair)).client.close()
  const live = (): readonly number[] => [hotSlabs, smallSlabs, tinySlabs].map((pool) => pool.liveCount)
  const idleSlabs = live()
  const endings: Record<string, (app: Socket, tunnel: Tunnel) => unknown> = {
    'both ends finish': (app) => app.end(),
    'the app resets': (app) => app.resetAndDestroy(),
    'the app closes without reading': (app) => app.destroy(),
    'the target resets': (app) => app.write('R'),
    'the target closes': (app) => app.write('C'),
    'the target half-closes': (app) => app.write('H'),
  }
  const target = await listen((socket) => {
    const flood = Buffer.alloc(300_000, 'f')
    const pour = (): void => {
      for (let i = 0; i < 20 && socket.writable && socket.write(flood); i++);
    }
    socket.on('drain', pour)
    socket.on('data', (data) => {
      const order = String(data.subarray(-1))
      if (order === 'R') socket.resetAndDestroy()
      else if (order === 'C') socket.destroy()
      else if (order === 'H') socket.end()
      else pour()
    })
    socket.on('end', () => socket.end())
  })
  const tunnel = await tunnelOver(tlsPair, { streamWindowBytes: 300_000, connectionWindowBytes: 1_000_000 })
  let allResults: Promise<CopyResult>[] = []
  for (let round = 0; round < 8; round++) {
    await Promise.all(
      Object.values(endings).map(async (ending) => {
        const { app, results } = await tunnel.open(target)
        allResults = results
        app.on('error', () => {})
        app.on('end', () => app.end())
        const upload = Buffer.alloc(400_000 * (round % 3), 'u')
        app.write(Buffer.concat([upload, Buffer.from('u')]))
        if (round % 2 === 0) await once(app, 'data')
        ending(app, tunnel)
        app.resume()
      }),
    )
  }
  await Promise.all(allResults)
  expect([tunnel.client.streamCount, tunnel.server.streamCount]).toEqual([0, 0])
  // All credit is back: a window's worth of bytes goes through at once.
  const echo = await listen((socket) => socket.pipe(socket))
  const { app } = await tunnel.open(echo)
  const sent = sendBulk(app, 3_000_000)
  expect(await digestOf(app)).toEqual(await sent)
  await Promise.all([tunnel.client.close(), tunnel.server.close()])
  await expect.poll(live).toEqual(idleSlabs)
})
