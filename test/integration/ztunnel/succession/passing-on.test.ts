import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { acceptRaw, type CopyResult, descriptorOf, SocketPipe, socketOfDescriptor } from '#shared/net'
import { becomeHeir, type Estate, findSuccessor, type Successor } from '../../../../src/ztunnel/succession/index.ts'
import { socket as address } from '../../../support/mesh-builder.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'

const ESTATE: Estate = {
  way: 'outbound',
  podUid: 'pod',
  source: address('10.0.0.1:1'),
  originalDestination: address('10.0.0.2:2'),
  target: address('10.0.0.2:2'),
  workloadUid: undefined,
  serviceKey: undefined,
  elapsedMs: 0,
  sentBytes: 0,
  receivedBytes: 0,
}

describe('a connection whose sockets another process goes on with', () => {
  let folder = ''
  let successor: Successor
  const open: { close(): unknown }[] = []
  /** The pipes of whoever took them. */
  let taken: { readonly pipe: SocketPipe; readonly copied: Promise<CopyResult> }[] = []
  let wants = true

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ambit-heir-'))
    taken = []
    wants = true
    const inpodUds = join(folder, 'zds.sock')
    const own = becomeHeir({ inpodUds, log: quietLogger, take: () => false })
    await new Promise((later) => setTimeout(later, 20))
    const heir = becomeHeir({
      inpodUds,
      log: quietLogger,
      take: (_estate, opener, target) => {
        if (!wants) return false
        const pipe = new SocketPipe()
        const sockets = [socketOfDescriptor(opener, pipe.openerOnread), socketOfDescriptor(target, pipe.targetOnread)]
        taken.push({ pipe, copied: pipe.bind(...(sockets as [Socket, Socket])) })
        return true
      },
    })
    const found = findSuccessor(own.path, systemClock, quietLogger)
    if (found === undefined) throw new Error('there is no successor')
    successor = found
    open.push(own, heir, successor)
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const listening = async (server: Server): Promise<number> => {
    open.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return (server.address() as AddressInfo).port
  }
  /** A client, and the pipe between it and `serve`. */
  const piped = async (
    serve: (socket: Socket) => void,
  ): Promise<{ client: Socket; pipe: SocketPipe; copied: Promise<CopyResult> }> => {
    const serverPort = await listening(createServer({ allowHalfOpen: true }, serve))
    const middle = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    const middlePort = await listening(middle)
    const client = connect({ port: middlePort, host: '127.0.0.1', allowHalfOpen: true })
    return new Promise((resolve) => {
      acceptRaw(middle, (accepted) => {
        const pipe = new SocketPipe()
        const target = connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true, onread: pipe.targetOnread })
        target.pause()
        const copied = pipe.bind(accepted.toSocket(pipe.openerOnread), target)
        resolve({ client, pipe, copied })
      })
    })
  }
  const leave = (pipe: SocketPipe): Promise<boolean> =>
    pipe.detach(
      (opener, target) => successor.leave(ESTATE, descriptorOf(opener) ?? -1, descriptorOf(target) ?? -1),
      AbortSignal.timeout(2_000),
    )
  const echo = (socket: Socket): void => void socket.on('error', () => {}).pipe(socket)

  it('loses and repeats no byte, with much under way both ways', async () => {
    const { client, pipe, copied } = await piped(echo)
    const sent = randomBytes(8_000_000)
    const received: Buffer[] = []
    client.on('data', (part) => received.push(part))
    let at = 0
    const write = (): void => {
      while (at < sent.length) {
        const part = sent.subarray(at, at + 100_000)
        at += part.length
        if (!client.write(part)) return void client.once('drain', write)
      }
      client.end()
    }
    write()
    await once(client, 'data')
    expect(await leave(pipe)).toBe(true)
    expect(await copied).toMatchObject({ endedBy: 'detached', error: undefined })
    await once(client, 'end')
    const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    expect(digest(Buffer.concat(received))).toBe(digest(sent))
    expect(await taken[0]?.copied).toMatchObject({ endedBy: 'end' })
    expect((taken[0]?.pipe.meter.sentBytes ?? 0) + pipe.meter.sentBytes).toBe(sent.length)
  })

  it('goes on half-closed as it was', async () => {
    const accepted = Promise.withResolvers<Socket>()
    const { client, pipe } = await piped(accepted.resolve)
    client.end('last word')
    const server = (await accepted.promise).setEncoding('utf8')
    expect(await once(server, 'data')).toEqual(['last word'])
    await once(server, 'end')
    expect(await leave(pipe)).toBe(true)
    server.end('answer')
    const parts: Buffer[] = []
    for await (const part of client) parts.push(part as Buffer)
    expect(Buffer.concat(parts).toString()).toBe('answer')
    expect(await taken[0]?.copied).toMatchObject({ endedBy: 'end' })
  })

  it('stays where it is when the successor does not want it', async () => {
    wants = false
    const { client, pipe } = await piped(echo)
    client.setEncoding('utf8').write('a')
    expect(await once(client, 'data')).toEqual(['a'])
    expect(await leave(pipe)).toBe(false)
    client.write('b')
    expect(await once(client, 'data')).toEqual(['b'])
    client.end()
  })

  it('stays where it is while its reader takes nothing', async () => {
    let server: Socket | undefined
    const { client, pipe } = await piped((socket) => {
      server = socket.pause().on('error', () => {})
    })
    client.on('error', () => {})
    client.write(Buffer.alloc(30_000_000))
    await expect.poll(() => pipe.meter.sentBytes).toBeGreaterThan(100_000)
    await new Promise((later) => setTimeout(later, 200))
    const isLeft = await pipe.detach(() => Promise.reject(new Error('must not be asked')), AbortSignal.timeout(100))
    expect(isLeft).toBe(false)
    let bytes = 0
    server?.on('data', (part) => {
      bytes += part.length
    })
    server?.resume()
    await expect.poll(() => bytes, { timeout: 10_000 }).toBe(30_000_000)
    client.destroy()
    server?.destroy()
  })

  it('is not left when it is over', async () => {
    const { client, pipe, copied } = await piped(echo)
    client.end()
    client.resume()
    await copied
    expect(await leave(pipe)).toBe(false)
  })
})
