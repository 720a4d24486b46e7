import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectNode,
  constants,
  createSecureServer,
  createServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import {
  acceptH2,
  connectH2,
  type H2ClientConnection,
  type H2Connection,
  H2ErrorCode,
  type H2Limits,
} from '#shared/http2'
import { fieldOf, type Message, MessageCollector } from '../../../support/h2-exchange.ts'
import { tcpPair, tlsIdentity, tlsPair } from '../../../support/socket-pairs.ts'

/** nghttp2, by way of node:http2, is the oracle: what it says and takes is what peers say and take. */

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const REQUEST = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':authority', 'mesh.local'],
  [':path', '/echo'],
] as const

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Our server, node's client. The server echoes the body, sends trailers, and tells what it got in a field. */
async function ourServer(
  pair: typeof tcpPair,
  limits: Partial<H2Limits> = {},
  settings: Settings = {},
): Promise<{ server: H2Connection; session: ClientHttp2Session; requests: MessageCollector[] }> {
  const sockets = await pair()
  const requests: MessageCollector[] = []
  const server = acceptH2(
    sockets.server,
    (stream, headers) => {
      const collector = new MessageCollector()
      collector.stream = stream
      collector.headers = headers
      requests.push(collector)
      void collector.message.then(
        async ({ body, trailers }) => {
          stream.respondInformational([
            [':status', '103'],
            ['link', '</style>'],
          ])
          stream.respond([
            [':status', '200'],
            ['x-digest', sha(body)],
            ['x-trailer', fieldOf(trailers ?? [], 'x-end') ?? '-'],
          ])
          await collector.send(body, [['x-last', 'yes']])
        },
        () => {},
      )
      return collector
    },
    { limits },
  )
  const session = connectNode('http://mesh.local', { createConnection: () => sockets.client, settings })
  session.on('error', () => {})
  cleanups.push(() => {
    session.destroy()
    return server.close()
  })
  return { server, session, requests }
}

/** Node's server, our client. */
async function theirServer(
  isTls: boolean,
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
  limits: Partial<H2Limits> = {},
  settings: Settings = {},
): Promise<{ client: H2ClientConnection; session: ServerHttp2Session }> {
  const nodeServer = isTls ? createSecureServer({ ...tlsIdentity, settings }) : createServer({ settings })
  nodeServer.on('stream', (stream: ServerHttp2Stream, headers: Record<string, unknown>) => {
    stream.on('error', () => {})
    onStream(stream, headers)
  })
  nodeServer.listen(0, '127.0.0.1')
  await once(nodeServer, 'listening')
  const port = (nodeServer.address() as AddressInfo).port
  const opened = once(nodeServer, 'session')
  const socket = isTls
    ? connectTls({ port, host: 'localhost', ca: tlsIdentity.ca, ALPNProtocols: ['h2'] })
    : connect(port, '127.0.0.1')
  await once(socket, isTls ? 'secureConnect' : 'connect')
  const [session] = (await opened) as [ServerHttp2Session]
  session.on('error', () => {})
  const client = connectH2(socket, { limits })
  cleanups.push(async () => {
    session.destroy()
    nodeServer.close()
    await client.close()
  })
  return { client, session }
}

async function readAll(stream: ClientHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function ask(
  client: H2ClientConnection,
  body: Uint8Array | undefined,
  extra: [string, string][] = [],
): Promise<Message> {
  const collector = new MessageCollector()
  collector.stream = client.request([...REQUEST, ...extra], collector, body === undefined)
  if (body !== undefined) void collector.send(body)
  return collector.message
}

describe.each([
  ['plain TCP', tcpPair, false],
  ['mutual TLS', tlsPair, true],
])('with node:http2 over %s', (_name, pair, isTls) => {
  it('answers requests with bodies, interim answers and trailers', async () => {
    const { session } = await ourServer(pair)
    const body = randomBytes(300_000)
    const request = session.request({ ':method': 'POST', ':path': '/echo' }, { waitForTrailers: true })
    request.on('wantTrailers', () => request.sendTrailers({ 'x-end': 'done' }))
    const interim = once(request, 'headers')
    const answer = once(request, 'response')
    const trailers = once(request, 'trailers')
    request.end(body)
    const received = await readAll(request)
    expect((await interim)[0]).toMatchObject({ ':status': 103, link: '</style>' })
    expect((await answer)[0]).toMatchObject({ ':status': 200, 'x-digest': sha(body), 'x-trailer': 'done' })
    expect((await trailers)[0]).toMatchObject({ 'x-last': 'yes' })
    expect(sha(received)).toBe(sha(body))
  })

  it('serves many streams at once, each with its own bytes', async () => {
    const { session, server } = await ourServer(pair)
    const bodies = Array.from({ length: 150 }, (_, i) => randomBytes(1 + i * 331))
    const answers = await Promise.all(
      bodies.map(async (body) => {
        const request = session.request({ ':method': 'POST', ':path': '/echo', 'x-nr': String(body.length) })
        request.end(body)
        return readAll(request)
      }),
    )
    expect(answers.map(sha)).toEqual(bodies.map(sha))
    expect(server.streamCount).toBe(0)
  })

  it.each([
    ['windows of the default size', {}, {}],
    ['our windows at 16 KiB', { streamWindowBytes: 16_384, connectionWindowBytes: 65_535, maxFrameBytes: 16_384 }, {}],
    ['their windows at 1,000 bytes', {}, { initialWindowSize: 1_000 }],
    ['their frames as large as they can be', {}, { maxFrameSize: 16_777_215, initialWindowSize: 8_000_000 }],
  ])('carries bulk both ways: %s', async (_case, limits, settings) => {
    const { session } = await ourServer(pair, limits, settings)
    const body = randomBytes(3_000_000)
    const request = session.request({ ':method': 'POST', ':path': '/echo' })
    request.end(body)
    expect(sha(await readAll(request))).toBe(sha(body))
  })

  it('follows a window size that changes while a body is under way', async () => {
    const { session } = await ourServer(pair, {}, { initialWindowSize: 100 })
    const body = randomBytes(500_000)
    const request = session.request({ ':method': 'POST', ':path': '/echo' })
    request.once('response', () => session.settings({ initialWindowSize: 300_000 }))
    request.end(body)
    expect(sha(await readAll(request))).toBe(sha(body))
  })

  it('asks, sends bodies and reads answers with trailers', async () => {
    const { client } = await theirServer(isTls, (stream, headers) => {
      stream.additionalHeaders({ ':status': 103, link: '</x>' })
      stream.respond({ ':status': 200, 'x-path': String(headers[':path']) }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-last': 'yes' }))
      stream.pipe(stream)
    })
    const body = randomBytes(2_000_000)
    const answer = await ask(client, body)
    expect(fieldOf(answer.headers, 'x-path')).toBe('/echo')
    expect(fieldOf(answer.informational[0] ?? [], ':status')).toBe('103')
    expect(fieldOf(answer.trailers ?? [], 'x-last')).toBe('yes')
    expect(sha(answer.body)).toBe(sha(body))
    expect(client.streamCount).toBe(0)
  })

  it('sends header lists larger than a frame and takes them too', async () => {
    const long = 'v'.repeat(40_000)
    const { client } = await theirServer(
      isTls,
      (stream, headers) => stream.respond({ ':status': 200, 'x-long': String(headers['x-long']) }, { endStream: true }),
      {},
      { maxHeaderListSize: 65_535 },
    )
    const answer = await ask(client, undefined, [['x-long', long]])
    expect(fieldOf(answer.headers, 'x-long')).toBe(long)
  })

  it('tells what the peer allows, and refuses to go beyond', async () => {
    const { client } = await theirServer(
      isTls,
      (stream) => stream.respond({ ':status': 200 }),
      {},
      { maxConcurrentStreams: 2 },
    )
    expect(client.peerMaxConcurrentStreams).toBe(Number.POSITIVE_INFINITY)
    const first = new MessageCollector()
    const stream = client.request(REQUEST, first)
    await expect.poll(() => first.calls).toContain('headers false')
    expect(client.peerMaxConcurrentStreams).toBe(2)
    client.request(REQUEST, new MessageCollector())
    expect(() => client.request(REQUEST, new MessageCollector())).toThrow(
      expect.objectContaining({ code: 'TUNNEL_LOST' }),
    )
    stream.reset(H2ErrorCode.CANCEL)
    expect(client.request(REQUEST, new MessageCollector()).isOpen).toBe(true)
  })

  it('tells resets of either side', async () => {
    const { session, requests } = await ourServer(pair)
    const cancelled = session.request({ ':method': 'POST', ':path': '/echo' })
    cancelled.on('error', () => {})
    cancelled.write('x')
    await expect.poll(() => requests[0]?.chunks.length).toBe(1)
    cancelled.destroy(new Error('given up'))
    await expect(requests[0]?.message).rejects.toThrow('reset 2')

    const refused = session.request({ ':method': 'POST', ':path': '/echo' })
    const closed = once(refused, 'error')
    refused.write('x')
    await expect.poll(() => requests[1]?.chunks.length).toBe(1)
    requests[1]?.stream?.reset(H2ErrorCode.ENHANCE_YOUR_CALM)
    await closed
    expect(refused.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  })

  it('finishes running streams after the peer has said GOAWAY, and closes', async () => {
    let open: ServerHttp2Stream | undefined
    const { client, session } = await theirServer(isTls, (stream) => {
      stream.respond({ ':status': 200 })
      open = stream
    })
    const collector = new MessageCollector()
    collector.stream = client.request(REQUEST, collector, true)
    await expect.poll(() => open).toBeDefined()
    session.goaway(0, open?.id)
    await expect.poll(() => client.isUsable).toBe(false)
    const closed = new Promise<string>((resolve) => {
      client.onClosed = resolve
    })
    open?.end('the rest')
    expect((await collector.message).body.toString()).toBe('the rest')
    expect(await closed).toContain('GOAWAY 0')
  })

  it('drains: tells the peer, finishes what runs, then closes', async () => {
    const { session, server, requests } = await ourServer(pair)
    const request = session.request({ ':method': 'POST', ':path': '/echo' })
    request.write('first ')
    await expect.poll(() => requests.length).toBe(1)
    const goaway = once(session, 'goaway')
    const drained = server.drain({ mode: 'graceful', deadlineMs: 5_000 })
    expect(server.isUsable).toBe(false)
    expect((await goaway)[0]).toBe(constants.NGHTTP2_NO_ERROR)
    request.end('second')
    expect((await readAll(request)).toString()).toBe('first second')
    await drained
  })

  it('cuts what still runs at the deadline of a drain', async () => {
    const { session, server, requests } = await ourServer(pair)
    const request = session.request({ ':method': 'POST', ':path': '/echo' })
    request.on('error', () => {})
    request.write('never ends')
    await expect.poll(() => requests.length).toBe(1)
    await server.drain({ mode: 'graceful', deadlineMs: 50 })
    await expect(requests[0]?.message).rejects.toThrow('drain deadline')
  })
})
