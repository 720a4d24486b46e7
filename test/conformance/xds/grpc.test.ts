import { once } from 'node:events'
import * as http2 from 'node:http2'
import { createServer as createTcp } from 'node:net'
import { createServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { RpcError } from '../../../src/shared/xds/rpc.ts'
import { RpcChannel } from '../../../src/shared/xds/rpc-channel.ts'
import { endpointTo } from '../../support/ads-peer.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

const ca = new MemoryCa()
const open: (() => void)[] = []

afterEach(() => {
  for (const close of open.splice(0).reverse()) close()
})

type Answer = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, body: Buffer) => void

/** A server that answers each call as the test says, once its request has come whole. */
async function serve(answer: Answer): Promise<{ port: number; sessions: Set<http2.ServerHttp2Session> }> {
  const { keyPem, certPem } = ca.server()
  const server = http2.createSecureServer({ key: keyPem, cert: certPem })
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
    stream.on('end', () => answer(stream, headers, Buffer.concat(chunks)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  open.push(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, sessions }
}

function channel(port: number, clock = systemClock): RpcChannel {
  const made = new RpcChannel(endpointTo(port, ca), ca.rootPem, clock)
  open.push(() => made.close())
  return made
}

const OK = { ':status': 200, 'content-type': 'application/grpc' }
const framed = (text: string): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(text.length, 1)
  return Buffer.concat([head, Buffer.from(text)])
}

/** Answers with this body and then these trailers. */
const reply =
  (body: Buffer, trailers: http2.OutgoingHttpHeaders = { 'grpc-status': '0' }): Answer =>
  (stream) => {
    stream.respond(OK, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end(body)
  }

/** The same without trailers. */
const plain =
  (headers: http2.OutgoingHttpHeaders, body: Buffer): Answer =>
  (stream) => {
    stream.respond(headers)
    stream.end(body)
  }

const call = (port: number): Promise<string> =>
  channel(port)
    .unary('/a.B/C', [['clusterid', 'c']], Buffer.from('ping'), 5_000)
    .then(String)

describe('a call', () => {
  it('is a POST with the headers of gRPC, its time limit and one framed message', async () => {
    const seen: [http2.IncomingHttpHeaders, Buffer][] = []
    const { port } = await serve((stream, headers, body) => {
      seen.push([headers, body])
      reply(framed('pong'))(stream, headers, body)
    })
    expect(await call(port)).toBe('pong')
    expect(seen[0]?.[0]).toMatchObject({
      ':method': 'POST',
      ':path': '/a.B/C',
      ':scheme': 'https',
      ':authority': `127.0.0.1:${port}`,
      te: 'trailers',
      'content-type': 'application/grpc',
      clusterid: 'c',
      'grpc-timeout': '5000m',
    })
    expect(seen[0]?.[1]).toEqual(framed('ping'))
  })

  it('may carry megabytes both ways', async () => {
    const body = 'x'.repeat(9_000_000)
    const { port } = await serve((stream, headers, got) => reply(got)(stream, headers, got))
    const answer = await channel(port).unary('/a.B/C', [], Buffer.from(body), 10_000)
    expect(answer.length).toBe(body.length)
  })

  it.each<[string, Answer, number, RegExp]>([
    ['an error in trailers', reply(Buffer.alloc(0), { 'grpc-status': '16', 'grpc-message': 'no%20way' }), 16, /no way/],
    ['an error at once', (stream) => stream.respond({ ...OK, 'grpc-status': '3' }, { endStream: true }), 3, /status 3/],
    [
      'a proxy that has no server',
      (stream) => stream.respond({ ':status': 503 }, { endStream: true }),
      14,
      /HTTP status 503/,
    ],
    [
      'something that is no gRPC',
      plain({ ':status': 200, 'content-type': 'text/html' }, Buffer.from('<p>')),
      2,
      /text\/html/,
    ],
    ['no status', plain(OK, framed('x')), 2, /without a status/],
    ['no message', reply(Buffer.alloc(0)), 13, /without a reply/],
    ['half a message', reply(framed('hello').subarray(0, 7)), 13, /within a message/],
    ['a compressed message', reply(Buffer.from('0100000001aa', 'hex')), 13, /compressed/],
    ['a message of 1 GiB', reply(Buffer.from('0040000000', 'hex')), 13, /a message of 1073741824 bytes/],
    ['a refused stream', (stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM), 14, /error 7/],
    ['a cut connection', (stream) => stream.session?.destroy(), 14, /connection/],
  ])('that gets %s fails with the status for it', async (_what, answer, code, message) => {
    const { port } = await serve(answer)
    const failed = await call(port).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(RpcError)
    expect(failed).toMatchObject({ status: { code }, message: expect.stringMatching(message) })
  })

  it('that is refused because the server goes away is made on a new connection the next time', async () => {
    const { port, sessions } = await serve(reply(framed('pong')))
    const one = channel(port)
    await one.unary('/a.B/C', [], Buffer.alloc(0), 5_000)
    const closed = [...sessions].map((session) => once(session, 'close'))
    for (const session of sessions) session.close()
    await Promise.all(closed)
    expect(String(await one.unary('/a.B/C', [], Buffer.alloc(0), 5_000))).toBe('pong')
  })
})

describe('a connection', () => {
  it('serves many calls, and is given up when it is idle for 5 s', async () => {
    const clock = new FakeClock()
    const { port, sessions } = await serve(reply(framed('pong')))
    const one = channel(port, clock)
    await Promise.all(Array.from({ length: 20 }, () => one.unary('/a.B/C', [], Buffer.alloc(0), 60_000)))
    expect(sessions.size).toBe(1)
    const [session] = sessions
    const closed = once(session as http2.ServerHttp2Session, 'close')
    await clock.advance(4_999)
    expect(sessions.size).toBe(1)
    await clock.advance(1)
    await closed
    expect(String(await one.unary('/a.B/C', [], Buffer.alloc(0), 60_000))).toBe('pong')
  })

  it('is not made with a server that does not speak HTTP/2', async () => {
    const { keyPem, certPem } = ca.server()
    const server = createServer({ key: keyPem, cert: certPem }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push(() => void server.close())
    const address = server.address()
    const failed = await call(typeof address === 'object' ? (address?.port ?? 0) : 0).catch((error: unknown) => error)
    expect(failed).toMatchObject({ status: { code: 14 }, message: expect.stringMatching(/HTTP\/2/) })
  })

  it('is not made where nobody listens, and that is told, also for a name with several addresses', async () => {
    const server = createTcp().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    server.close()
    await once(server, 'close')
    const one = new RpcChannel(endpointTo(port, ca, { host: 'localhost' }), ca.rootPem, systemClock)
    const failed = await one.unary('/a.B/C', [], Buffer.alloc(0), 5_000).catch((error: unknown) => error)
    expect(failed).toMatchObject({
      status: { code: 14 },
      message: expect.stringMatching(/localhost:\d+: .*ECONNREFUSED/),
    })
  })

  it('is not made with a server that accepts and says nothing', async () => {
    const clock = new FakeClock()
    const server = createTcp(() => {}).listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push(() => void server.close())
    const address = server.address()
    const one = channel(typeof address === 'object' ? (address?.port ?? 0) : 0, clock)
    const failed = one.unary('/a.B/C', [], Buffer.alloc(0), 60_000).catch((error: unknown) => error)
    await once(server, 'connection')
    await clock.advance(5_000)
    expect(await failed).toMatchObject({ status: { code: 14 }, message: expect.stringMatching(/not within 5000 ms/) })
  })
})
