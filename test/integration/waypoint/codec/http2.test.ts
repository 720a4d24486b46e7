import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { socketChannel } from '#shared/net'
import {
  connectHttp2,
  type Exchange,
  type HttpClientConnection,
  ListFields,
  serveHttp2,
} from '../../../../src/waypoint/codec/index.ts'
import { BodyCollector, bodyOf, pairsOf, sendBody } from '../../../support/http-exchange.ts'
import { channelAndSocket, innerConnection, relay } from '../../../support/relay.ts'
import { until } from '../../../support/tunnel-ends.ts'

const MIB = 1 << 20
const clock = systemClock
const opened: (() => void)[] = []
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

/** node:http2 as a client of ours. */
async function client(
  onExchange: (exchange: Exchange) => void,
): Promise<ClientHttp2Session & { readonly raw: Socket }> {
  const { channel, socket } = await channelAndSocket()
  const served = serveHttp2(innerConnection(channel, 'http2'), { clock, onExchange })
  const session = connect('http://cart:80', { createConnection: () => socket })
  session.on('error', () => {})
  opened.push(() => {
    session.destroy()
    socket.destroy()
    void served.close()
  })
  return Object.assign(session, { raw: socket })
}

/** node:http2 as our endpoint. */
async function endpoint(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings: { readonly maxConcurrentStreams?: number; readonly enableConnectProtocol?: boolean } = {},
): Promise<{ readonly upstream: HttpClientConnection; readonly session: () => ServerHttp2Session }> {
  const sessions: ServerHttp2Session[] = []
  const server = createServer({ settings })
  server.on('session', (session) => sessions.push(session))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connectTcp({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const upstream = connectHttp2(socketChannel(socket), { clock })
  opened.push(() => {
    upstream.destroy()
    socket.destroy()
    server.close()
  })
  const told = Promise.withResolvers<void>()
  upstream.onChanged = told.resolve
  await told.promise
  upstream.onChanged = undefined
  return { upstream, session: () => sessions[0] as ServerHttp2Session }
}

async function answerOf(
  stream: ClientHttp2Stream,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer; trailers: IncomingHttpHeaders | undefined }> {
  let trailers: IncomingHttpHeaders | undefined
  stream.on('trailers', (fields: IncomingHttpHeaders) => {
    trailers = fields
  })
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const ended = once(stream, 'end')
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  await ended
  return { status: Number(headers[':status']), headers, body: Buffer.concat(chunks), trailers }
}

/** From node:http2 through both of our ends to node:http2. */
async function through(
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings = {},
): Promise<ClientHttp2Session> {
  const { upstream } = await endpoint(onStream, settings)
  return client((exchange) => void relay(exchange, upstream))
}

const POST: OutgoingHttpHeaders = { ':method': 'POST', ':path': '/cart.Cart/Add' }

describe('HTTP/2 through both ends', () => {
  it('passes requests and answers on whole, with every field in order', async () => {
    let seen: IncomingHttpHeaders = {}
    const session = await through((stream, headers) => {
      seen = headers
      stream.respond({ ':status': 201, 'x-one': 'a', 'set-cookie': ['a=1', 'b=2'], 'content-length': 5 })
      stream.end('hello')
    })
    const answer = await answerOf(
      session.request({ ':path': '/a?b=c', 'x-many': ['1', '2'], cookie: ['a=1', 'b=2'], te: 'trailers' }),
    )
    expect(answer.status).toBe(201)
    expect(answer.body.toString()).toBe('hello')
    expect(answer.headers).toMatchObject({ 'x-one': 'a', 'set-cookie': ['a=1', 'b=2'], 'content-length': '5' })
    expect(seen).toMatchObject({
      ':method': 'GET',
      ':path': '/a?b=c',
      ':authority': 'cart:80',
      'x-many': '1, 2',
      cookie: 'a=1; b=2',
      te: 'trailers',
    })
  })

  it.each([0, 1, 1000, MIB, 5 * MIB])('carries bodies of %i bytes both ways', async (bytes) => {
    const session = await through((stream) => {
      stream.respond()
      stream.pipe(stream)
    })
    const body = randomBytes(bytes)
    const stream = session.request(POST)
    stream.end(body)
    const answer = await answerOf(stream)
    expect(answer.body.equals(body)).toBe(true)
  })

  it('carries gRPC of every kind: unary, streams of either side, both at once', async () => {
    const session = await through((stream, headers) => {
      stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () =>
        stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': String(headers['x-kind']) }),
      )
      if (headers['x-kind'] === 'server') {
        stream.resume()
        for (let i = 0; i < 10; i++) stream.write(`message ${i};`)
        stream.end()
      } else stream.pipe(stream)
    })
    for (const kind of ['unary', 'client', 'server', 'both']) {
      const stream = session.request({ ...POST, 'content-type': 'application/grpc', 'x-kind': kind })
      if (kind === 'both') {
        for (let i = 0; i < 5; i++) {
          const echoed = once(stream, 'data')
          stream.write(`ping ${i}`)
          expect(String((await echoed)[0])).toBe(`ping ${i}`)
        }
      } else if (kind === 'client') for (let i = 0; i < 10; i++) stream.write(`message ${i};`)
      const answering = kind === 'both' ? once(stream, 'trailers') : undefined
      stream.end(randomBytes(kind === 'unary' ? MIB : 0))
      const trailers = answering ? (await answering)[0] : (await answerOf(stream)).trailers
      expect(trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': kind })
    }
  })

  it('keeps an answer of trailers only what it is', async () => {
    const session = await through((stream) => stream.respond({ 'grpc-status': '5' }, { endStream: true }))
    const stream = session.request(POST)
    stream.end('x')
    const [headers, flags] = (await once(stream, 'response')) as [IncomingHttpHeaders, number]
    expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '5' })
    expect(flags & 1).toBe(1)
  })

  it('hands events on as they come', async () => {
    let source: ServerHttp2Stream | undefined
    const session = await through((stream) => {
      source = stream
      stream.respond({ 'content-type': 'text/event-stream' })
    })
    const stream = session.request({ ':path': '/events' })
    await once(stream, 'response')
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      const came = once(stream, 'data')
      source?.write(event)
      expect(String((await came)[0])).toBe(event)
    }
  })

  it('passes interim answers on', async () => {
    const session = await through((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
      stream.respond({}, { endStream: true })
    })
    const stream = session.request({ ':path': '/' })
    const [headers] = (await once(stream, 'headers')) as [IncomingHttpHeaders]
    expect(headers).toMatchObject({ ':status': 103, link: '</a.css>' })
    await once(stream, 'response')
  })

  it.each([
    ['HEAD', 200, '1234'],
    ['GET', 304, '1234'],
    ['GET', 204, undefined],
  ])('sends no body behind %s %i', async (method, status, length) => {
    const session = await through((stream) =>
      stream.respond(
        { ':status': status, ...(length === undefined ? {} : { 'content-length': length }) },
        { endStream: true },
      ),
    )
    const answer = await answerOf(session.request({ ':method': method, ':path': '/' }))
    expect(answer.status).toBe(status)
    expect(answer.body.length).toBe(0)
    expect(answer.headers['content-length']).toBe(length)
  })

  it('opens a websocket with extended CONNECT on both sides, without the key of HTTP/1', async () => {
    let seen: IncomingHttpHeaders = {}
    const session = await through(
      (stream, headers) => {
        seen = headers
        stream.respond({ 'sec-websocket-protocol': 'chat' })
        stream.pipe(stream)
      },
      { enableConnectProtocol: true },
    )
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat',
      ':scheme': 'http',
      'sec-websocket-version': '13',
    })
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    expect(headers[':status']).toBe(200)
    expect(headers['sec-websocket-accept']).toBeUndefined()
    expect(seen).toMatchObject({ ':method': 'CONNECT', ':protocol': 'websocket', 'sec-websocket-version': '13' })
    expect(seen['sec-websocket-key']).toBeUndefined()
    const echoed = once(stream, 'data')
    stream.write('frame')
    expect(String((await echoed)[0])).toBe('frame')
    const ended = once(stream, 'end')
    stream.end()
    stream.resume()
    await ended
  })

  it('cuts the answer for a client when its endpoint breaks off', async () => {
    const session = await through((stream) => {
      stream.respond({ 'content-length': 100 })
      stream.write('half')
      stream.once('drain', () => {})
      setImmediate(() => stream.close(2))
    })
    const stream = session.request({ ':path': '/' })
    stream.resume()
    const [error] = (await once(stream, 'error')) as [Error & { code: string }]
    expect(error.code).toBe('ERR_HTTP2_STREAM_ERROR')
  })

  it('cancels the request at its endpoint when the client goes', async () => {
    const closed = Promise.withResolvers<number>()
    const arrived = Promise.withResolvers<void>()
    const session = await through((stream) => {
      arrived.resolve()
      stream.on('close', () => closed.resolve(stream.rstCode))
    })
    const stream = session.request(POST)
    stream.on('error', () => {})
    stream.write('some')
    await arrived.promise
    stream.close(8)
    expect(await closed.promise).toBe(8)
  })
})

describe('the server end', () => {
  it('holds a client at the window of an exchange that nobody reads', async () => {
    const exchanges: Exchange[] = []
    const session = await client((exchange) => exchanges.push(exchange))
    const stream = session.request(POST)
    stream.on('error', () => {})
    stream.write(randomBytes(2 * MIB))
    await until(() => exchanges.length === 1)
    const [exchange] = exchanges as [Exchange]
    await until(() => exchange.requestBytes === 256 * 1024)
    const sink = new BodyCollector(true)
    exchange.body.pipe(sink)
    await until(() => sink.receivedBytes > 0)
    expect(sink.receivedBytes).toBeLessThanOrEqual(64 * 1024)
    sink.letOn()
    await until(() => sink.receivedBytes === 2 * MIB)
  })

  it('holds an answer at the window of a client that does not read', async () => {
    let writes = 0
    let drains = 0
    const session = await client((exchange) => {
      const sink = exchange.respond(okHead(exchange), undefined)
      const piece = randomBytes(16_384)
      sink.onDrain = () => drains++
      while (sink.write(piece, 0, piece.length)) writes++
    })
    const stream = session.request({ ':path': '/' })
    stream.pause()
    await once(stream, 'response')
    expect(writes * 16_384).toBeLessThan(2 * MIB)
    expect(drains).toBe(0)
    stream.resume()
    await until(() => drains > 0)
  })

  it('ends a request that nobody wants behind an early answer, without an error', async () => {
    const session = await client((exchange) => {
      exchange.body.discard()
      exchange.respond({ ...okHead(exchange), status: 413 }, 0).end(undefined)
    })
    const stream = session.request(POST)
    stream.write('begins')
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    expect(headers[':status']).toBe(413)
    stream.resume()
    await once(stream, 'close')
    expect(stream.rstCode).toBe(0)
  })

  it('takes the rest of a request behind its answer when somebody still reads it', async () => {
    const bodies: Promise<{ readonly text: string }>[] = []
    const session = await client((exchange) => {
      bodies.push(bodyOf(exchange.body))
      exchange.respond(okHead(exchange), undefined).end(undefined)
    })
    const stream = session.request(POST)
    stream.write('first ')
    await once(stream, 'response')
    stream.resume()
    stream.end('second')
    expect((await bodies[0])?.text).toBe('first second')
  })

  it('tells of a client that has gone before its answer was whole, and breaks its body off', async () => {
    const gone = Promise.withResolvers<void>()
    const broken = Promise.withResolvers<unknown>()
    const session = await client((exchange) => {
      exchange.onClientGone = gone.resolve
      bodyOf(exchange.body).catch(broken.resolve)
    })
    const stream = session.request(POST)
    stream.on('error', () => {})
    stream.write('x')
    await until(() => session.raw.bytesWritten > 0)
    setTimeout(() => session.raw.destroy(), 20)
    await gone.promise
    expect(await broken.promise).toMatchObject({ code: 'CLIENT_GONE' })
  })

  it.each([
    ['a plain CONNECT', { ':method': 'CONNECT', ':authority': 'a:80' }, 501],
    [
      'an upgrade other than websocket',
      { ':method': 'CONNECT', ':protocol': 'h2c', ':path': '/', ':scheme': 'http' },
      501,
    ],
    ['another scheme', { ':path': '/', ':scheme': 'ftp' }, 400],
    ['a space in the path', { ':path': '/a b' }, 400],
    ['an authority that is none', { ':path': '/', ':authority': 'a/b' }, 400],
  ])('answers %s itself', async (_, headers, status) => {
    const seen: Exchange[] = []
    const session = await client((exchange) => seen.push(exchange))
    await once(session, 'remoteSettings')
    const stream = session.request(headers)
    const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    expect(answer[':status']).toBe(status)
    expect(seen).toEqual([])
  })

  it('has one form of host and path', async () => {
    const seen: Exchange[] = []
    const session = await client((exchange) => {
      seen.push(exchange)
      exchange.respond(okHead(exchange), 0)
    })
    await once(session.request({ ':path': '/a#b?c', ':authority': 'CaRt:80' }), 'response')
    expect(seen[0]?.request).toMatchObject({ authority: 'cart:80', target: '/a', scheme: 'http', upgrade: undefined })
  })

  it('lets requests under way finish on drain, and takes no more', async () => {
    const { channel, socket } = await channelAndSocket()
    const exchanges: Exchange[] = []
    const served = serveHttp2(innerConnection(channel, 'http2'), {
      clock,
      onExchange: (one) => void exchanges.push(one),
    })
    const session = connect('http://cart', { createConnection: () => socket })
    opened.push(() => socket.destroy())
    const stream = session.request({ ':path': '/' })
    await until(() => exchanges.length === 1)
    const goaway = once(session, 'goaway')
    const drained = served.drain({ mode: 'graceful', deadlineMs: 5_000 })
    await goaway
    expect(served.activeCount).toBe(1)
    const answer = answerOf(stream)
    const [exchange] = exchanges as [Exchange]
    void sendBody(exchange.respond(okHead(exchange), undefined), Buffer.from('last'))
    expect((await answer).body.toString()).toBe('last')
    await drained
  })

  it('serves 10,000 streams at once over a hundred connections', async () => {
    const held: Exchange[] = []
    const sessions = await Promise.all(Array.from({ length: 100 }, () => client((exchange) => held.push(exchange))))
    const answers = sessions.flatMap((session) =>
      Array.from({ length: 100 }, (_, i) => answerOf(session.request({ ':path': `/${i}` }))),
    )
    await until(() => held.length === 10_000)
    for (const exchange of held) {
      const target = Buffer.from(exchange.request.target)
      void sendBody(exchange.respond(okHead(exchange), target.length), target)
    }
    const bodies = (await Promise.all(answers)).map(({ body }) => body.toString())
    expect(bodies).toEqual(Array.from({ length: 10_000 }, (_, i) => `/${i % 100}`))
  })
})

describe('the client end', () => {
  it('has as much capacity as its endpoint takes, and tells when it grows', async () => {
    const streams: ServerHttp2Stream[] = []
    const { upstream } = await endpoint((stream) => streams.push(stream), { maxConcurrentStreams: 2 })
    expect(upstream.capacity).toBe(2)
    let changes = 0
    upstream.onChanged = () => changes++
    const [first] = [upstream.send(getHead(), 0), upstream.send(getHead(), 0)]
    expect(upstream.capacity).toBe(0)
    expect(() => upstream.send(getHead(), 0)).toThrow(expect.objectContaining({ code: 'UPSTREAM_REFUSED_STREAM' }))
    await until(() => streams.length === 2)
    streams[0]?.respond({}, { endStream: true })
    await first?.response
    await until(() => upstream.capacity === 1)
    expect(changes).toBeGreaterThan(0)
  })

  it.each([
    ['REFUSED_STREAM', 7, 'UPSTREAM_REFUSED_STREAM'],
    ['PROTOCOL_ERROR', 1, 'UPSTREAM_PROTOCOL'],
    ['INTERNAL_ERROR', 2, 'UPSTREAM_RESET'],
    ['CANCEL', 8, 'UPSTREAM_RESET'],
  ])('names a reset with %s', async (_, rst, code) => {
    const { upstream } = await endpoint((stream) => stream.close(rst))
    await expect(upstream.send(getHead(), 0).response).rejects.toMatchObject({ code })
  })

  it('tells a request on a lost connection that was reused from one on a new one', async () => {
    let count = 0
    const { upstream, session } = await endpoint((stream) => {
      if (++count === 1) stream.respond({}, { endStream: true })
      else session().destroy()
    })
    await upstream.send(getHead(), 0).response
    await expect(upstream.send(getHead(), 0).response).rejects.toMatchObject({ code: 'UPSTREAM_RESET_BEFORE_REQUEST' })
    const fresh = await endpoint(() => fresh.session().destroy())
    await expect(fresh.upstream.send(getHead(), 0).response).rejects.toMatchObject({ code: 'UPSTREAM_RESET' })
    await until(() => upstream.isClosed)
  })

  it('takes nothing more behind GOAWAY, and finishes what runs', async () => {
    const streams: ServerHttp2Stream[] = []
    const { upstream, session } = await endpoint((stream) => streams.push(stream))
    const attempt = upstream.send(getHead(), 0)
    await until(() => streams.length === 1)
    session().close()
    await until(() => upstream.capacity === 0)
    streams[0]?.respond({ 'x-late': '1' })
    streams[0]?.end('late')
    const { head, body } = await attempt.response
    expect(pairsOf(head.fields)).toContainEqual(['x-late', '1'])
    expect((await bodyOf(body)).text).toBe('late')
    await until(() => upstream.isClosed)
  })

  it('closes behind its last request once it is retired', async () => {
    const streams: ServerHttp2Stream[] = []
    const { upstream } = await endpoint((stream) => streams.push(stream))
    const attempt = upstream.send(getHead(), 0)
    await until(() => streams.length === 1)
    upstream.retire()
    expect(upstream.capacity).toBe(0)
    expect(upstream.isClosed).toBe(false)
    streams[0]?.respond({}, { endStream: true })
    await attempt.response
    await until(() => upstream.isClosed)
  })

  it('refuses an upgrade that its endpoint does not take', async () => {
    const { upstream } = await endpoint((stream) => stream.end())
    expect(() => upstream.send({ ...getHead(), upgrade: 'websocket' }, undefined)).toThrow(
      expect.objectContaining({ code: 'UPSTREAM_PROTOCOL' }),
    )
  })

  it('is given up by whoever finds that its answer goes nowhere', async () => {
    const closed = Promise.withResolvers<number>()
    const { upstream } = await endpoint((stream) => {
      stream.respond()
      stream.write('begins')
      stream.on('close', () => closed.resolve(stream.rstCode))
    })
    const session = await client((exchange) => {
      const attempt = upstream.send(getHead(), 0)
      exchange.abort(new MeshError('UPSTREAM_TIMEOUT', 'too late'))
      void attempt.response.then(({ head, body }) => body.pipe(exchange.respond(head, undefined)))
    })
    session.request({ ':path': '/' }).on('error', () => {})
    expect(await closed.promise).toBe(8)
  })

  it('tells a body that the endpoint wants no more of it', async () => {
    const { upstream } = await endpoint((stream) => {
      stream.respond({ ':status': 413 }, { endStream: true })
      stream.close(0)
    })
    const attempt = upstream.send({ ...getHead(), method: 'POST' }, undefined)
    const unwanted = Promise.withResolvers<void>()
    attempt.body.onUnwanted = unwanted.resolve
    attempt.body.write(Buffer.from('x'), 0, 1)
    expect((await attempt.response).head.status).toBe(413)
    await unwanted.promise
    expect(attempt.body.write(Buffer.from('y'), 0, 1)).toBe(true)
  })
})

function okHead(exchange: Exchange): { version: 'HTTP/2'; status: number; fields: Exchange['request']['fields'] } {
  const fields = exchange.request.fields.copy()
  return { version: 'HTTP/2', status: 200, fields }
}

function getHead(): Exchange['request'] {
  return {
    version: 'HTTP/2',
    method: 'GET',
    scheme: 'http',
    authority: 'cart',
    target: '/',
    upgrade: undefined,
    fields: new ListFields(),
  }
}
