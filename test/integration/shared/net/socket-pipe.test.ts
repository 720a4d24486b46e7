import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { adoptSocket, type CopyResult, SocketPipe } from '#shared/net'

const cleanups: (() => unknown)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

async function listen(onConnection: (socket: Socket) => void, options: object = {}): Promise<number> {
  const server = createServer({ allowHalfOpen: true, ...options }, onConnection)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** app ⇄ pipe ⇄ a server that `serve`s each connection. */
async function piped(
  serve: (socket: Socket) => void,
): Promise<{ app: Socket; result: Promise<CopyResult>; pipe: SocketPipe }> {
  const target = await listen((socket) => {
    socket.on('error', () => {})
    cleanups.push(() => socket.destroy())
    serve(socket)
  })
  const bound: PromiseWithResolvers<{ result: Promise<CopyResult>; pipe: SocketPipe }> = Promise.withResolvers()
  const port = await listen(
    (accepted) => {
      const pipe = new SocketPipe()
      const options = { port: target, host: '127.0.0.1', allowHalfOpen: true, onread: pipe.targetOnread }
      const result = pipe.bind(adoptSocket(accepted, pipe.openerOnread), connect(options as never))
      bound.resolve({ result, pipe })
    },
    { pauseOnConnect: true },
  )
  const app = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  app.on('error', () => {})
  cleanups.push(() => app.destroy())
  return { app, ...(await bound.promise) }
}

async function digestOf(socket: Socket): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of socket) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

async function sendBulk(socket: Socket, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  const source = randomBytes(700_001)
  for (let sent = 0, i = 0; sent < bytes; i++) {
    const piece = source.subarray(i % 100, (i % 100) + 1 + ((i * 7919) % 690_000))
    hash.update(piece)
    sent += piece.length
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  socket.end()
  return hash.digest('hex')
}

describe('a socket pipe', () => {
  it('carries a small exchange and both half-closes, and counts', async () => {
    const { app, result } = await piped((socket) => {
      socket.on('data', (data) => socket.write(`got ${data}`))
      socket.on('end', () => socket.end('bye'))
    })
    app.end('hello')
    const chunks: Buffer[] = []
    for await (const chunk of app) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe('got hellobye')
    expect(await result).toEqual({ meter: { sentBytes: 5, receivedBytes: 12 }, endedBy: 'end', error: undefined })
  })

  it('carries bulk both ways at once byte for byte', async () => {
    let up: Promise<string> | undefined
    let down: Promise<string> | undefined
    const { app, result } = await piped((socket) => {
      up = digestOf(socket)
      down = sendBulk(socket, 30_000_000)
    })
    const [downloaded, sent] = await Promise.all([digestOf(app), sendBulk(app, 30_000_000)])
    expect(downloaded).toBe(await down)
    expect(await up).toBe(sent)
    expect((await result).endedBy).toBe('end')
  })

  it('holds a fast sender back while the other side does not read', async () => {
    const target: PromiseWithResolvers<Socket> = Promise.withResolvers()
    const { app, pipe } = await piped((socket) => target.resolve(socket))
    const sent = sendBulk(app, 40_000_000)
    await once(app, 'drain')
    const received = await target.promise
    expect(pipe.meter.sentBytes).toBeLessThan(40_000_000)
    expect(await digestOf(received)).toBe(await sent)
  })

  it('passes a reset on, and says who broke off', async () => {
    const { app, result } = await piped((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const error = once(app, 'error')
    app.write('x')
    app.resume()
    expect((await error)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect(await result).toMatchObject({ endedBy: 'target', error: { code: 'ECONNRESET' } })
  })

  it('tells a target that refuses', async () => {
    const closed = await listen(() => {})
    cleanups.pop()?.()
    const pipe = new SocketPipe()
    const [opener] = await Promise.all([
      new Promise<Socket>((resolve) => {
        void listen((accepted) => resolve(adoptSocket(accepted, pipe.openerOnread)), { pauseOnConnect: true }).then(
          (port) => {
            const app = connect({ port, host: '127.0.0.1' })
            app.on('error', () => {})
            cleanups.push(() => app.destroy())
          },
        )
      }),
    ])
    const target = connect({ port: closed, host: '127.0.0.1', allowHalfOpen: true, onread: pipe.targetOnread } as never)
    expect(await pipe.bind(opener, target)).toMatchObject({ endedBy: 'target', error: { code: 'ECONNREFUSED' } })
  })

  it('closes both sockets when it is aborted', async () => {
    const { app, result, pipe } = await piped((socket) => socket.resume())
    app.write('x')
    const closed = once(app, 'close')
    pipe.abort()
    app.resume()
    expect(await result).toMatchObject({ endedBy: 'abort', error: undefined })
    app.destroy()
    await closed
  })
})
