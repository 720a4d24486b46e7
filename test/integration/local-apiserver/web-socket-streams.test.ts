import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import type { ApiObject, RequestContext } from '../../../src/local/apiserver/index.ts'
import { createStreams } from '../../../src/local/apiserver/streams/index.ts'
import { LocalPods } from '../../support/local-pods.ts'

const POD: ApiObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u' },
  spec: { containers: [{ name: 'web' }] },
}

/** Node's own WebSocket client stands for client libraries. */
describe('streams with another WebSocket client', () => {
  let pods: LocalPods
  let server: Server
  let origin: string

  beforeEach(async () => {
    pods = new LocalPods()
    const streams = createStreams(pods, systemClock)
    server = createServer()
    server.on('upgrade', (request, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://pod')
      const context = { subresource: url.pathname.slice(1) } as RequestContext
      try {
        streams.upgrade({ request, socket, head, query: url.searchParams, context, pod: POD })
      } catch {
        socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(() => void server.close())

  async function open(
    path: string,
    protocol: string,
  ): Promise<{ socket: WebSocket; messages: Buffer[]; closed: Promise<number> }> {
    const socket = new WebSocket(`${origin}/${path}`, protocol)
    socket.binaryType = 'arraybuffer'
    const messages: Buffer[] = []
    socket.addEventListener('message', ({ data }) => messages.push(Buffer.from(data as ArrayBuffer)))
    const closed = new Promise<number>((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)))
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error('refused')))
    })
    return { socket, messages, closed }
  }
  const on = (messages: readonly Buffer[], channel: number): string =>
    messages
      .filter(([first]) => first === channel)
      .map((each) => each.subarray(1).toString())
      .join('')

  it('ends the input of a command by closing its channel (v5)', async () => {
    const { socket, messages, closed } = await open('exec?command=wc&command=-c&stdin=1&stdout=1', 'v5.channel.k8s.io')
    socket.send(Buffer.from('\0twelve bytes'))
    socket.send(Buffer.from([255, 0]))
    expect(await closed).toBe(1000)
    expect(on(messages, 1).trim()).toBe('12')
    expect(JSON.parse(on(messages, 3))).toMatchObject({ status: 'Success' })
  })

  it('tells the exit code as a status (v4)', async () => {
    const { messages, closed } = await open('exec?command=sh&command=-c&command=exit+3&stdout=1', 'v4.channel.k8s.io')
    await closed
    expect(JSON.parse(on(messages, 3))).toMatchObject({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    })
  })

  it('hands sizes of the terminal on, and leaves out what is none', async () => {
    const { socket } = await open('exec?command=cat&stdin=1&stdout=1&tty=1', 'v5.channel.k8s.io')
    for (const size of [
      '{"Width":80,"Height":24}',
      'no json',
      '{"Width":-1,"Height":1}',
      '{"Width":100,"Height":40}',
    ]) {
      socket.send(Buffer.concat([Buffer.from([4]), Buffer.from(size)]))
    }
    await expect.poll(() => pods.sizes).toEqual(['80x24', '100x40'])
    socket.close()
    await expect.poll(() => pods.killed).toBe(1)
  })

  it('forwards ports over pairs of channels, errors apart', async () => {
    const echo = createTcpServer((link) => link.pipe(link)).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    const { port } = echo.address() as AddressInfo
    const { socket, messages } = await open(`portforward?ports=${port}&ports=1`, 'v4.channel.k8s.io')
    socket.send(Buffer.from('\0through the pod'))
    await expect.poll(() => on(messages, 0)).toContain('through the pod')
    expect(messages.find(([channel]) => channel === 0)?.readUInt16LE(1)).toBe(port)
    await expect.poll(() => on(messages, 3)).toContain('ECONNREFUSED')
    socket.close()
    echo.close()
  })

  it.each([
    { path: 'exec?command=true&stdout=1', protocol: 'channel.k8s.io' },
    { path: 'exec?stdout=1', protocol: 'v4.channel.k8s.io' },
    { path: 'exec?command=true', protocol: 'v4.channel.k8s.io' },
    { path: 'exec?command=true&stdout=1&container=no', protocol: 'v4.channel.k8s.io' },
    { path: 'portforward?ports=none', protocol: 'v4.channel.k8s.io' },
    { path: 'log', protocol: 'v4.channel.k8s.io' },
  ])('refuses $path as $protocol', async ({ path, protocol }) => {
    await expect(open(path, protocol)).rejects.toThrow('refused')
  })

  it.each([
    {
      says: 'no WebSocket',
      upgrade: 'websocket',
      more: 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n',
    },
    { says: 'no SPDY', upgrade: 'SPDY/3.1', more: 'X-Stream-Protocol-Version: v4.channel.k8s.io\r\n' },
  ])('ends a connection that says $says after the upgrade', async ({ upgrade, more }) => {
    const link = connect(Number(new URL(origin).port), '127.0.0.1')
    link.write(
      `GET /exec?command=sleep&command=60&stdout=1 HTTP/1.1\r\nHost: pod\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${more}\r\n`,
    )
    await once(link, 'data')
    link.on('error', () => {})
    link.write(Buffer.alloc(100, 0xff))
    link.resume()
    await once(link, 'close')
    await expect.poll(() => pods.running).toBe(0)
  })
})
