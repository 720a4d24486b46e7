import { once } from 'node:events'
import { createSecureServer, connect as h2connect, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, createServer as createTlsServer, TLSSocket, connect as tlsConnect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import {
  answerHeaders,
  type ConnectRequest,
  createTunnelPool,
  HandshakeGate,
  type TunnelPool,
  type TunnelPoolSettings,
  type TunnelRequest,
  type TunnelStream,
} from '#shared/hbone'
import { Canceller } from '#shared/lifecycle'
import { spiffeId } from '#shared/model'
import type { IpAddress } from '#shared/net'
import { createCsr, type WorkloadCertificate } from '#shared/pki'
import { connect as connectTo, headers, PREFACE, settings } from '../../../support/h2-frames.ts'
import { H2Peer } from '../../../support/h2-peer.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { keyOf, listen, listenTunnels, TestDialer, type TestListener, until } from '../../../support/tunnel-ends.ts'

const MIB = 1 << 20
const ca = new MemoryCa()
const web = ca.issue(ca.id('shop', 'web'))
const cart = ca.issue(ca.id('shop', 'cart'))
/** Of another trust domain, though our own authority has signed it. */
const foreign = ca.issue(spiffeId({ trustDomain: 'elsewhere', namespace: 'shop', serviceAccount: 'web' }))
const request: ConnectRequest = {
  authority: { kind: 'address', ip: '10.0.0.7' as IpAddress, port: 8080 },
  headers: [['baggage', 'k8s.namespace.name=shop']],
}

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

function later<T extends { close(): Promise<void> | void }>(one: T): T {
  opened.push(one)
  return one
}

function poolOf(settings: Partial<TunnelPoolSettings> = {}): TunnelPool {
  return later(createTunnelPool({ clock: systemClock, ...settings }))
}

async function tunnelServer(
  onTunnel: (request: TunnelRequest) => void,
  certificate: WorkloadCertificate = cart,
): Promise<Awaited<ReturnType<typeof listenTunnels>>> {
  return later(await listenTunnels(certificate, onTunnel))
}

/** A TCP server that sends back what it gets, and the way to bind an accepted tunnel to it. */
async function echoServer(): Promise<TestListener> {
  return later(await listen((socket) => void socket.pipe(socket)))
}

function bindTo(target: TestListener): (incoming: TunnelRequest) => void {
  return (incoming) => {
    const pump = incoming.accept()
    const socket = connect({
      host: target.address.ip,
      port: target.address.port,
      allowHalfOpen: true,
      onread: pump.onread,
    })
    void pump.bind(socket)
  }
}

/** A pair of connected sockets: the application's own end, and the one that the tunnel carries. */
async function applicationOf(tunnel: TunnelStream): Promise<Socket> {
  const inner = Promise.withResolvers<Socket>()
  const listener = later(await listen(inner.resolve))
  const carried = connect({
    host: listener.address.ip,
    port: listener.address.port,
    allowHalfOpen: true,
    onread: tunnel.pump.onread,
  })
  void tunnel.pump.bind(carried)
  return inner.promise
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  return text
}

/** node:http2 as an HBONE server. */
async function nodeServer(
  onConnect: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings: { readonly maxConcurrentStreams?: number } = {},
): Promise<TestListener & { readonly tls: TLSSocket[] }> {
  const { privateKeyPem, csrPem } = createCsr(cart.id)
  const [leaf, root] = ca.certify(csrPem, cart.id)
  const server = createSecureServer({
    key: privateKeyPem,
    cert: leaf ?? '',
    ca: root ?? '',
    requestCert: true,
    rejectUnauthorized: true,
    settings,
  })
  const tls: TLSSocket[] = []
  server.on('secureConnection', (socket: TLSSocket) => tls.push(socket))
  server.on('session', (session) => session.on('error', () => {}))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    onConnect(stream, headers)
  })
  const listener = await listen((socket) => server.emit('connection', socket))
  return later({ ...listener, tls })
}

function serverTls(socket: Socket, certificate: WorkloadCertificate, alpn = ['h2']): TLSSocket {
  return new TLSSocket(socket, {
    isServer: true,
    secureContext: certificate.secureContext,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: alpn,
  })
}

describe('our pool and our acceptor', () => {
  it('carry bytes both ways with half-close', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const dialer = new TestDialer(server.address, web)
    const tunnel = await poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    expect(tunnel.peer).toBe(cart.id)
    const application = await applicationOf(tunnel)
    application.end('hello')
    expect(await readAll(application)).toBe('hello')
  })

  it('tell the server who asks, for what, and with which headers; and the client what was answered', async () => {
    const requests: TunnelRequest[] = []
    const server = await tunnelServer((incoming) => {
      requests.push(incoming)
      incoming.accept(answerHeaders({ ...emptyBaggage, namespace: 'shop' }))
    })
    const dialer = new TestDialer(server.address, web)
    const tunnel = await poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    expect(tunnel.responseHeaders).toEqual([
      [':status', '200'],
      ['baggage', 'k8s.namespace.name=shop'],
    ])
    const [incoming] = requests
    expect(incoming?.peer).toBe(web.id)
    expect(incoming?.target).toEqual(request.authority)
    expect(incoming?.headers).toContainEqual(['baggage', 'k8s.namespace.name=shop'])
    expect(incoming?.source).toEqual({ ip: '127.0.0.1', port: dialer.sockets[0]?.localPort })
    expect(incoming?.acceptedOn).toEqual(server.address)
  })

  it.each([
    [400, 'http status: 400 Bad Request'],
    [401, 'http status: 401 Unauthorized'],
    [503, 'http status: 503 Service Unavailable'],
  ] as const)('an answer of %i fails the request and keeps the connection', async (status, message) => {
    let isRefusing = true
    const server = await tunnelServer((incoming) => (isRefusing ? incoming.refuse(status) : incoming.accept()))
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    await expect(pool.connect(key, dialer, request)).rejects.toMatchObject({ code: 'TUNNEL_REFUSED', message })
    isRefusing = false
    await pool.connect(key, dialer, request)
    expect(dialer.sockets).toHaveLength(1)
    expect(server.tunnels[0]?.connection.streamCount).toBe(1)
  })

  it('give no byte that came before a refusal to anybody', async () => {
    const echo = await echoServer()
    const requests: TunnelRequest[] = []
    const server = await tunnelServer((incoming) => requests.push(incoming))
    const client = await nodeClient(server.address.port)
    const stream = client.request({ ':method': 'CONNECT', ':authority': '10.0.0.7:80' })
    stream.on('error', () => {})
    stream.write('too early')
    await until(() => requests.length === 1)
    const answered = once(stream, 'response')
    requests[0]?.refuse(401)
    expect((await answered)[0][':status']).toBe(401)
    await once(stream, 'close')
    expect(echo.accepted).toHaveLength(0)
  })

  it('deliver bytes that came before the acceptance, behind it', async () => {
    const echo = await echoServer()
    const requests: TunnelRequest[] = []
    const server = await tunnelServer((incoming) => requests.push(incoming))
    const client = await nodeClient(server.address.port)
    const stream = client.request({ ':method': 'CONNECT', ':authority': '10.0.0.7:80' })
    stream.end('early')
    await until(() => requests.length === 1)
    bindTo(echo)(requests[0] as TunnelRequest)
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    expect(text).toBe('early')
  })

  it('tell the server when the client gives up before the answer', async () => {
    const requests: TunnelRequest[] = []
    const server = await tunnelServer((incoming) => requests.push(incoming))
    const canceller = new Canceller()
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const asked = pool.connect(keyOf(web.id, server.address, cart.id), dialer, request, canceller)
    await until(() => requests.length === 1)
    canceller.cancel()
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_LOST', message: 'given up' })
    await until(() => requests[0]?.isCancelled === true)
    requests[0]?.refuse(503)
  })
})

describe('connections of the pool', () => {
  it('are dialled once for many simultaneous first requests', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    await Promise.all(Array.from({ length: 50 }, () => pool.connect(key, dialer, request)))
    expect(dialer.sockets).toHaveLength(1)
    expect(pool.connectionCount).toBe(1)
  })

  it('take no more streams than the limit, and another one is dialled', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf({ maxStreamsPerConnection: 10 })
    const key = keyOf(web.id, server.address, cart.id)
    await Promise.all(Array.from({ length: 35 }, () => pool.connect(key, dialer, request)))
    expect(dialer.sockets).toHaveLength(4)
    await until(() => server.tunnels.length === 4)
    expect(server.tunnels.map((tunnel) => tunnel.connection.streamCount)).toEqual([10, 10, 10, 5])
  })

  it('are not shared between keys', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const pool = poolOf()
    const other = ca.issue(ca.id('shop', 'other'))
    const asWeb = new TestDialer(server.address, web)
    const asOther = new TestDialer(server.address, other)
    const id = ca.id('shop', 'spare')
    await pool.connect(keyOf(web.id, server.address, cart.id), asWeb, request)
    await pool.connect(keyOf(web.id, server.address, cart.id, id), asWeb, request)
    await pool.connect(keyOf(web.id, server.address, id, cart.id), asWeb, request)
    await pool.connect(
      { ...keyOf(web.id, server.address, cart.id), sourceIp: '127.0.0.9' as IpAddress },
      asWeb,
      request,
    )
    await pool.connect(keyOf(other.id, server.address, cart.id), asOther, request)
    expect(pool.connectionCount).toBe(5)
  })

  it('are made anew with a new certificate while old tunnels go on', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    const application = await applicationOf(await pool.connect(key, dialer, request))
    dialer.current = ca.issue(web.id)
    const second = await applicationOf(await pool.connect(key, dialer, request))
    expect(dialer.sockets).toHaveLength(2)
    second.destroy()
    application.end('still here')
    expect(await readAll(application)).toBe('still here')
    await until(() => pool.connectionCount === 1)
  })

  it('are released when unused, but not before their last stream ends', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf({ unusedReleaseMs: 50 })
    const key = keyOf(web.id, server.address, cart.id)
    const application = await applicationOf(await pool.connect(key, dialer, request))
    await until(() => server.tunnels[0]?.connection.isUsable === false)
    expect(pool.connectionCount).toBe(1)
    application.end('late')
    expect(await readAll(application)).toBe('late')
    await until(() => pool.connectionCount === 0)
  })

  it('are used, and replaced, however long the process was held up while they were made', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const dialer = new TestDialer(server.address, web)
    let nowMs = 0
    // Between any two looks at the time more passes than a connection may be unused.
    const clock = { ...systemClock, monotonicMs: () => (nowMs += 1_000) }
    const pool = poolOf({ clock, unusedReleaseMs: 5 })
    const key = keyOf(web.id, server.address, cart.id)
    for (const text of ['first', 'second', 'third']) {
      const application = await applicationOf(await pool.connect(key, dialer, request))
      application.end(text)
      expect(await readAll(application)).toBe(text)
      await until(() => pool.connectionCount === 0)
    }
    expect(dialer.sockets).toHaveLength(3)
  })

  it('that were told GOAWAY are not used again', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    const first = await pool.connect(key, dialer, request)
    void server.tunnels[0]?.connection.drain({ mode: 'graceful', deadlineMs: 60_000 })
    await until(() => !first.stream.connection.isUsable)
    await pool.connect(key, dialer, request)
    expect(dialer.sockets).toHaveLength(2)
    expect(first.stream.isOpen).toBe(true)
  })

  it('that broke are not used again', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    await pool.connect(key, dialer, request)
    server.accepted[0]?.resetAndDestroy()
    await until(() => pool.connectionCount === 0)
    await pool.connect(key, dialer, request)
    expect(dialer.sockets).toHaveLength(2)
  })

  it('that turn out to be dead when they are used again are replaced, and the request is repeated once', async () => {
    const server = await nodeServer((stream) => stream.respond({ ':status': 200 }))
    const dialer = new TestDialer(server.address, web)
    const key = keyOf(web.id, server.address, cart.id)
    const pool = poolOf()
    await pool.connect(key, dialer, request)
    // A peer that restarts: it answers nothing on the old connection, and resets it.
    server.tls[0]?.pause()
    const asked = pool.connect(key, dialer, request)
    await until(() => dialer.sockets.length === 1 && server.accepted.length === 1)
    server.accepted[0]?.resetAndDestroy()
    await asked
    expect(dialer.sockets).toHaveLength(2)
  })

  it('that are lost with a request are told of when repeating is off, or the connection was new', async () => {
    const server = await nodeServer((stream) => {
      if (server.tls.length > 1 || isFatal) stream.session?.destroy()
      else stream.respond({ ':status': 200 })
    })
    let isFatal = false
    const dialer = new TestDialer(server.address, web)
    const key = keyOf(web.id, server.address, cart.id)
    const pool = poolOf({ isLostRequestRepeated: false })
    await pool.connect(key, dialer, request)
    isFatal = true
    await expect(pool.connect(key, dialer, request)).rejects.toMatchObject({ code: 'TUNNEL_LOST' })
    await expect(poolOf().connect(key, dialer, request)).rejects.toMatchObject({ code: 'TUNNEL_LOST' })
    expect(dialer.sockets).toHaveLength(2)
  })

  it('make room by closing the longest unused idle one, and are refused when all are in use', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf({ maxConnections: 2 })
    const keys = ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map((ip) => ({
      ...keyOf(web.id, server.address, cart.id),
      sourceIp: ip as IpAddress,
    }))
    const [a, b, c] = keys as [(typeof keys)[0], (typeof keys)[0], (typeof keys)[0]]
    const first = await pool.connect(a, dialer, request)
    await pool.connect(b, dialer, request)
    await expect(pool.connect(c, dialer, request)).rejects.toMatchObject({ code: 'TUNNEL_POOL_UNAVAILABLE' })
    first.pump.abort()
    await pool.connect(c, dialer, request)
    await until(() => pool.connectionCount === 2)
  })

  it('drain: no new requests, running streams go on to their end', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    const application = await applicationOf(await pool.connect(key, dialer, request))
    const drained = pool.drain({ mode: 'graceful', deadlineMs: 10_000 })
    await expect(pool.connect(key, dialer, request)).rejects.toMatchObject({ code: 'TUNNEL_POOL_UNAVAILABLE' })
    application.end('last words')
    expect(await readAll(application)).toBe('last words')
    await drained
    expect(pool.connectionCount).toBe(0)
  })

  it('close: what is being dialled is given up', async () => {
    const silent = later(await listen(() => {}))
    const dialer = new TestDialer(silent.address, web)
    const pool = poolOf()
    const asked = pool.connect(keyOf(web.id, silent.address, cart.id), dialer, request)
    const failed = expect(asked).rejects.toMatchObject({ code: 'TUNNEL_HANDSHAKE_FAILED' })
    await until(() => silent.accepted.length === 1)
    await pool.close()
    await failed
  })
})

describe('a peer of the pool', () => {
  it('with another identity is refused', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const asked = poolOf().connect(keyOf(web.id, server.address, ca.id('shop', 'payments')), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'PEER_UNVERIFIED' })
  })

  it.each([
    ['of another authority', () => new MemoryCa().issue(cart.id)],
    ['with an expired certificate', () => ca.issue(cart.id, { ttlMs: -1000 })],
  ])('%s is refused', async (_title, issue) => {
    const server = await tunnelServer((incoming) => incoming.accept(), issue())
    const dialer = new TestDialer(server.address, web)
    const asked = poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'PEER_UNVERIFIED' })
  })

  it('that speaks TLS 1.2 only is refused', async () => {
    const { keyPem, certPem } = ca.server()
    const server = createTlsServer({ key: keyPem, cert: certPem, maxVersion: 'TLSv1.2' })
    server.on('tlsClientError', () => {})
    const listener = later(await listen((socket) => server.emit('connection', socket)))
    const dialer = new TestDialer(listener.address, web)
    const asked = poolOf().connect(keyOf(web.id, listener.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_HANDSHAKE_FAILED' })
  })

  it('that speaks HTTP/1.1 only is refused', async () => {
    const listener = later(await listen((socket) => serverTls(socket, cart, ['http/1.1']).on('error', () => {})))
    const dialer = new TestDialer(listener.address, web)
    const asked = poolOf().connect(keyOf(web.id, listener.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_HANDSHAKE_FAILED' })
  })

  it('that is not there fails the request', async () => {
    const listener = await listen(() => {})
    await listener.close()
    const dialer = new TestDialer(listener.address, web)
    const asked = poolOf().connect(keyOf(web.id, listener.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'UPSTREAM_CONNECT_FAILED' })
  })

  it.each([
    ['no certificate is to be had', 'certificate'],
    ['the socket cannot be made', 'dial'],
  ] as const)('is not asked when %s, and the next request tries again', async (_title, broken) => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    const fault = new Error('not now')
    const faulty = {
      dial: () => dialer.dial(),
      certificate: () => dialer.certificate(),
      [broken]: () => {
        throw fault
      },
    }
    await expect(pool.connect(key, faulty, request)).rejects.toBe(fault)
    await pool.connect(key, dialer, request)
    expect(dialer.sockets).toHaveLength(1)
  })

  it.each<[string, (socket: Socket) => unknown]>([
    ['closes', (socket) => socket.end()],
    ['resets', (socket) => socket.resetAndDestroy()],
    ['says something else', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('that %s in place of TLS fails the request at once', async (_title, act) => {
    const rude = later(await listen((socket) => socket.once('data', () => act(socket))))
    const dialer = new TestDialer(rude.address, web)
    const asked = poolOf().connect(keyOf(web.id, rude.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_HANDSHAKE_FAILED' })
    await until(() => dialer.sockets[0]?.destroyed === true)
  })

  it('that never finishes TLS fails the request in time', async () => {
    const silent = later(await listen(() => {}))
    const dialer = new TestDialer(silent.address, web)
    const asked = poolOf({ handshakeTimeoutMs: 50 }).connect(keyOf(web.id, silent.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_HANDSHAKE_TIMEOUT' })
    await until(() => dialer.sockets[0]?.destroyed === true)
  })

  it('that never sends HTTP/2 SETTINGS fails the request in time', async () => {
    const listener = later(
      await listen((socket) =>
        serverTls(socket, cart)
          .on('error', () => {})
          .resume(),
      ),
    )
    const dialer = new TestDialer(listener.address, web)
    const pool = poolOf({ limits: { firstSettingsTimeoutMs: 50 } })
    const asked = pool.connect(keyOf(web.id, listener.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_LOST' })
  })

  it('that never answers CONNECT fails the request in time, and the stream is reset', async () => {
    const requests: TunnelRequest[] = []
    const server = await tunnelServer((incoming) => requests.push(incoming))
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf({ answerTimeoutMs: 50 })
    const asked = pool.connect(keyOf(web.id, server.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_ANSWER_TIMEOUT' })
    await until(() => server.tunnels[0]?.connection.streamCount === 0)
  })
})

describe('a tunnel whose application does not read', () => {
  it('holds up no other tunnel of the connection, and little memory', async () => {
    let poured = 0
    const flood = later(
      await listen((socket) => {
        const chunk = Buffer.alloc(256 * 1024)
        const pour = (): void => {
          while (socket.writable && poured < 256 * MIB) {
            poured += chunk.length
            if (!socket.write(chunk)) break
          }
        }
        socket.on('drain', pour)
        pour()
      }),
    )
    const echo = await echoServer()
    const server = await tunnelServer((incoming) => bindTo(incoming.target.port === 1 ? flood : echo)(incoming))
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    const to = (port: number): ConnectRequest => ({ ...request, authority: { ...request.authority, port } })
    const idle = await applicationOf(await pool.connect(key, dialer, to(1)))
    idle.pause()
    const others = Array.from({ length: 10 }, async () => {
      const application = await applicationOf(await pool.connect(key, dialer, to(2)))
      for (let i = 0; i < 20; i++) {
        application.write(`message ${i}`)
        expect(String((await once(application, 'data'))[0])).toBe(`message ${i}`)
      }
    })
    await Promise.all(others)
    expect(dialer.sockets).toHaveLength(1)
    // The stream's window of 4 MiB, what the engine queues, and the buffers of four sockets.
    expect(poured).toBeLessThan(48 * MIB)
  })
})

describe('a server that refuses our certificate', () => {
  it('says so behind our own hand-shake: the request is lost', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const dialer = new TestDialer(server.address, foreign)
    const asked = poolOf().connect(keyOf(foreign.id, server.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_LOST' })
    expect(server.failures[0]).toMatchObject({ code: 'CLIENT_UNVERIFIED' })
  })
})

describe('our pool and node:http2 as the server', () => {
  it('carry bytes both ways with half-close, and no server name is sent', async () => {
    const server = await nodeServer((stream) => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    })
    const dialer = new TestDialer(server.address, web)
    const tunnel = await poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    const application = await applicationOf(tunnel)
    application.end('hello')
    expect(await readAll(application)).toBe('hello')
    const [tls] = server.tls
    expect((tls as TLSSocket & { servername?: string }).servername).toBeFalsy()
    expect(tls?.alpnProtocol).toBe('h2')
    expect(tls?.getProtocol()).toBe('TLSv1.3')
    expect(tls?.getCipher().name).toMatch(/^TLS_AES_(128|256)_GCM_SHA/)
  })

  it('send :method and :authority only, then the given headers in order', async () => {
    const seen: string[][] = []
    const server = await nodeServer((stream, headers) => {
      seen.push(Object.keys(headers))
      stream.respond({ ':status': 200 })
    })
    const dialer = new TestDialer(server.address, web)
    const headers = [
      ['baggage', 'a'],
      ['forwarded', 'b'],
      ['traceparent', 'c'],
    ] as const
    await poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, { ...request, headers })
    expect(seen).toEqual([[':method', ':authority', 'baggage', 'forwarded', 'traceparent']])
  })

  it('keep to the number of streams that the server allows', async () => {
    const server = await nodeServer((stream) => stream.respond({ ':status': 200 }), { maxConcurrentStreams: 3 })
    const dialer = new TestDialer(server.address, web)
    const pool = poolOf()
    const key = keyOf(web.id, server.address, cart.id)
    const first = await pool.connect(key, dialer, request)
    await until(() => first.stream.connection.peerMaxConcurrentStreams === 3)
    await Promise.all(Array.from({ length: 5 }, () => pool.connect(key, dialer, request)))
    expect(dialer.sockets).toHaveLength(2)
  })

  it('fail a request whose stream is reset before the answer', async () => {
    const server = await nodeServer((stream) => stream.close(2))
    const dialer = new TestDialer(server.address, web)
    const asked = poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_LOST' })
  })

  it('send a request again that the server refused unseen', async () => {
    let refusals = 2
    const server = await nodeServer((stream) => (refusals-- > 0 ? stream.close(7) : stream.respond({ ':status': 200 })))
    const dialer = new TestDialer(server.address, web)
    const tunnel = await poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    expect(tunnel.stream.isOpen).toBe(true)
  })

  it('give up on a server that refuses every stream', async () => {
    const server = await nodeServer((stream) => stream.close(7))
    const dialer = new TestDialer(server.address, web)
    const asked = poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_POOL_UNAVAILABLE' })
  })

  it.each([
    [403, 'http status: 403 Forbidden'],
    [204, 'http status: 204'],
  ])('take an answer of %i for a refusal', async (status, message) => {
    const server = await nodeServer((stream) => stream.respond({ ':status': status }))
    const dialer = new TestDialer(server.address, web)
    const asked = poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    await expect(asked).rejects.toMatchObject({ code: 'TUNNEL_REFUSED', message })
  })
})

const emptyBaggage = {
  clusterId: '',
  namespace: '',
  workloadType: 'pod',
  workloadName: '',
  canonicalName: '',
  canonicalRevision: '',
  locality: { region: '', zone: '', subzone: '' },
} as const

/** node:http2 as an HBONE client. */
async function nodeClient(
  port: number,
  options: Pick<ConnectionOptions, 'secureContext' | 'maxVersion' | 'ciphers' | 'ALPNProtocols'> = {
    secureContext: web.secureContext,
  },
): Promise<ReturnType<typeof h2connect>> {
  const socket = tlsConnect({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false, ...options })
  await once(socket, 'secureConnect')
  const session = h2connect('https://tunnel', { createConnection: () => socket })
  session.on('error', () => {})
  return later(Object.assign(session, {}))
}

describe('node:http2 as the client of our acceptor', () => {
  it('carries bytes both ways with half-close', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const client = await nodeClient(server.address.port)
    const stream = client.request({ ':method': 'CONNECT', ':authority': '10.0.0.7:80' })
    stream.end('hello')
    const [headers] = await once(stream, 'response')
    expect(headers[':status']).toBe(200)
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    expect(text).toBe('hello')
  })

  it.each([
    ['a GET', { ':method': 'GET', ':path': '/', ':scheme': 'http', ':authority': 'web:80' }],
    ['a CONNECT to no port', { ':method': 'CONNECT', ':authority': 'web' }],
    ['a CONNECT to a mapped address', { ':method': 'CONNECT', ':authority': '[::ffff:10.0.0.7]:80' }],
  ])('is answered 400 without a body for %s', async (_title, headers) => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const client = await nodeClient(server.address.port)
    const stream = client.request(headers, { endStream: false })
    stream.on('error', () => {})
    const [answer, flags] = await once(stream, 'response')
    expect(Object.entries(answer)).toEqual([[':status', 400]])
    expect(flags & 1).toBe(1)
    await until(() => server.tunnels[0]?.connection.streamCount === 0)
  })

  it.each([
    ['of another trust domain', () => new MemoryCa({ trustDomain: 'elsewhere' }).issue(web.id)],
    ['of another authority', () => new MemoryCa().issue(web.id)],
    ['with an expired certificate', () => ca.issue(web.id, { ttlMs: -1000 })],
    ['of our authority but another trust domain', () => foreign],
  ])('%s is closed', async (_title, issue) => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const client = await nodeClient(server.address.port, { secureContext: issue().secureContext })
    await until(() => client.destroyed)
    await until(() => server.failures.length === 1)
    expect(server.failures[0]).toMatchObject({ code: 'CLIENT_UNVERIFIED' })
    expect(server.tunnels).toHaveLength(0)
  })

  it.each([
    ['without a certificate', { ALPNProtocols: ['h2'] }],
    ['of TLS 1.2', { maxVersion: 'TLSv1.2' as const }],
    ['that offers ChaCha20 only', { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' }],
    ['that offers HTTP/1.1 only', { secureContext: web.secureContext, ALPNProtocols: ['http/1.1'] }],
  ])('%s is closed', async (_title, options) => {
    const server = await tunnelServer((incoming) => incoming.accept())
    await nodeClient(server.address.port, options).catch(() => {})
    await until(() => server.failures.length === 1)
    expect(server.failures[0]).toMatchObject({ code: 'CLIENT_HANDSHAKE_FAILED' })
  })

  it('that offers no ALPN is served, as ztunnel does', async () => {
    const server = await tunnelServer((incoming) => incoming.accept())
    const { secureContext } = web
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: server.address.port,
      secureContext,
      rejectUnauthorized: false,
    })
    const peer = new H2Peer(socket, false)
    peer.send(PREFACE, settings(), headers(1, connectTo))
    expect((await peer.receive('HEADERS', 1)).streamId).toBe(1)
    expect(socket.alpnProtocol).toBe(false)
    socket.destroy()
  })

  it('that sends nothing is closed in time', async () => {
    const server = later(await listenTunnels(cart, (incoming) => incoming.accept(), { handshakeTimeoutMs: 50 }))
    const socket = connect(server.address.port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    await once(socket, 'close')
    expect(server.failures[0]).toMatchObject({ code: 'CLIENT_HANDSHAKE_FAILED' })
  })

  it('whose connection is cut is told of, once', async () => {
    let closedCount = 0
    const onClosed = (): void => void closedCount++
    const server = later(await listenTunnels(cart, (incoming) => incoming.accept(), { onClosed }))
    const dialer = new TestDialer(server.address, web)
    const tunnel = await poolOf().connect(keyOf(web.id, server.address, cart.id), dialer, request)
    expect(closedCount).toBe(0)
    dialer.sockets[0]?.destroy()
    await until(() => closedCount > 0)
    await until(() => !tunnel.stream.isOpen)
    expect(closedCount).toBe(1)
  })

  it('is closed when its address has too many hand-shakes under way, and let in when they are done', async () => {
    const gate = new HandshakeGate({ maxPendingPerSource: 2 })
    const server = later(await listenTunnels(cart, (incoming) => incoming.accept(), { gate }))
    const silent = [0, 1].map(() => connect(server.address.port, '127.0.0.1').on('error', () => {}))
    await until(() => gate.pending === 2)
    const refused = connect(server.address.port, '127.0.0.1').on('error', () => {})
    refused.resume()
    await once(refused, 'close')
    expect(server.failures[0]).toMatchObject({ code: 'CLIENT_HANDSHAKE_FAILED' })
    for (const socket of silent) socket.destroy()
    await until(() => gate.pending === 0)
    await nodeClient(server.address.port)
    await until(() => server.tunnels.length === 1)
  })

  it('is told GOAWAY by a drain, and its running streams go on', async () => {
    const echo = await echoServer()
    const server = await tunnelServer(bindTo(echo))
    const client = await nodeClient(server.address.port)
    const stream = client.request({ ':method': 'CONNECT', ':authority': '10.0.0.7:80' })
    await once(stream, 'response')
    const told = once(client, 'goaway')
    const drained = server.tunnels[0]?.connection.drain({ mode: 'graceful', deadlineMs: 10_000 })
    expect((await told)[0]).toBe(0)
    stream.end('goes on')
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    expect(text).toBe('goes on')
    await drained
  })
})
