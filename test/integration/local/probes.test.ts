import { once } from 'node:events'
import { createServer as createHttp, type RequestListener } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { IpAddress } from '#shared/net'
import { askOnce, type ProbeTarget } from '../../../src/local/kubelet/index.ts'
import type { ProbeCheck } from '../../../src/local/pod-plan/index.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

const LOOPBACK = '127.0.0.1' as IpAddress
const target: ProbeTarget = {
  ip: LOOPBACK,
  dial: (host, port) => connect({ host, port, allowHalfOpen: true }),
  command: ([file = '', ...args]) => ({ file, args, env: { PATH: '/usr/bin:/bin' } }),
}
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function serve(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
const ask = (check: ProbeCheck, timeoutMs = 2_000): Promise<string | undefined> =>
  askOnce(check, target, AbortSignal.timeout(timeoutMs))
const http = (port: number, more: object = {}): ProbeCheck => ({
  kind: 'http',
  isTls: false,
  host: undefined,
  port,
  path: '/up',
  headers: [],
  ...more,
})

describe('a TCP probe', () => {
  it('is content with a connection', async () => {
    const port = await serve(createServer((socket) => socket.destroy()))
    expect(await ask({ kind: 'tcp', host: undefined, port })).toBeUndefined()
    expect(await ask({ kind: 'tcp', host: LOOPBACK, port })).toBeUndefined()
  })

  it('says why there is none', async () => {
    expect(await ask({ kind: 'tcp', host: undefined, port: 1 })).toContain('ECONNREFUSED')
    expect(await ask({ kind: 'tcp', host: 'localhost', port: 1 })).toContain('host localhost is no IP address')
  })
})

describe('an HTTP probe', () => {
  it.each([
    [200, undefined],
    [302, undefined],
    [404, 'HTTP status 404'],
    [503, 'HTTP status 503'],
  ])('takes status %i as %s', async (status, answer) => {
    const port = await serve(createHttp((_, response) => response.writeHead(status).end()))
    expect(await ask(http(port))).toBe(answer)
  })

  it('sends its headers, also a host and an agent of its own, and one name twice', async () => {
    const seen: (readonly [string, unknown])[] = []
    const listener: RequestListener = ({ url, headers, headersDistinct }, response) => {
      seen.push([url ?? '', headers.host], [headers['user-agent'] ?? '', headersDistinct['x-a']])
      response.end()
    }
    const port = await serve(createHttp(listener))
    await ask(http(port))
    const headers = [
      ['Host', 'shop.example'],
      ['User-Agent', 'own'],
      ['X-A', '1'],
      ['X-A', '2'],
    ]
    await ask(http(port, { headers, path: '/other?a=b' }))
    expect(seen).toEqual([
      ['/up', `127.0.0.1:${port}`],
      ['kube-probe/ambit', undefined],
      ['/other?a=b', 'shop.example'],
      ['own', ['1', '2']],
    ])
  })

  it('over TLS does not ask who it is that answers', async () => {
    const { keyPem: key, certPem: cert } = new MemoryCa().server(['elsewhere'])
    const port = await serve(createHttps({ key, cert }, (_, response) => response.end()))
    expect(await ask(http(port, { isTls: true }))).toBeUndefined()
    expect(await ask(http(port))).toBeTypeOf('string')
  })

  it.each([
    ['a header', { headers: [['a b', 'c']] }, 'valid HTTP token'],
    ['a path', { path: '/a b' }, 'unescaped'],
  ])('with %s that cannot be sent fails, says so, and leaves no connection', async (_what, more, reason) => {
    const port = await serve(createServer())
    const dialled: Socket[] = []
    const dial: ProbeTarget['dial'] = (host, to) => {
      const socket = target.dial(host, to)
      dialled.push(socket)
      return socket
    }
    expect(await askOnce(http(port, more), { ...target, dial }, AbortSignal.timeout(2_000))).toContain(reason)
    expect(dialled.map(({ destroyed }) => destroyed)).toEqual([true])
  })

  it('gives up in time', async () => {
    const port = await serve(createHttp(() => {}))
    expect(await ask(http(port), 200)).toBe('no answer in time')
  })
})

describe('a gRPC probe', () => {
  const health = (answer: Buffer, status: string): Server => {
    const server = createHttp2()
    server.on('stream', (stream, headers) => {
      if (headers[':path'] !== '/grpc.health.v1.Health/Check')
        return stream.respond({ ':status': 404 }, { endStream: true })
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
      stream.end(answer)
    })
    return server as unknown as Server
  }
  const serving = (status: number): Buffer => Buffer.from([0, 0, 0, 0, 2, 8, status])

  it.each([
    ['serving', serving(1), '0', undefined],
    ['not serving', serving(2), '0', 'the service is NOT_SERVING'],
    ['nobody that it knows', Buffer.alloc(0), '5', 'gRPC status 5'],
    ['nonsense', Buffer.from('nonsense'), '0', 'the answer is no HealthCheckResponse'],
  ])('that hears of %s answers so', async (_what, answer, status, expected) => {
    const port = await serve(health(answer, status))
    expect(await ask({ kind: 'grpc', port, service: 'shop' })).toBe(expected)
  })

  it('fails where nobody speaks HTTP/2, and gives up in time', async () => {
    const rude = await serve(createServer((socket) => socket.end('no')))
    expect(await ask({ kind: 'grpc', port: rude, service: '' })).toBeTypeOf('string')
    const silent = await serve(createServer(() => {}))
    expect(await ask({ kind: 'grpc', port: silent, service: '' }, 200)).toBe('no answer in time')
  })
})

describe('an exec probe', () => {
  it.each([
    [['true'], undefined],
    [['sh', '-c', 'echo not yet; exit 3'], 'the command exited with status 3: not yet'],
    [['no-such-command'], 'cannot be started'],
    [['echo', 'a\0b'], 'cannot be started'],
  ])('runs %j', async (argv, answer) => {
    const reason = await ask({ kind: 'exec', argv })
    if (answer === undefined) expect(reason).toBeUndefined()
    else expect(reason).toContain(answer)
  })

  it('ends what takes too long, with all that it started', async () => {
    const marker = `${7_000_000 + process.pid}`
    expect(await ask({ kind: 'exec', argv: ['sh', '-c', `sleep ${marker} & sleep ${marker}`] }, 200)).toBe(
      'no answer in time',
    )
    expect(await ask({ kind: 'exec', argv: ['pgrep', '-f', `sleep ${marker}$`] })).toContain('status 1')
  })

  it('is not held up by what holds its output open', async () => {
    const startedMs = Date.now()
    expect(await ask({ kind: 'exec', argv: ['setsid', '--fork', 'sleep', '3'] }, 10_000)).toBeUndefined()
    expect(Date.now() - startedMs).toBeLessThan(2_500)
  })
})
