import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import {
  type ConnectRequest,
  createTunnelPool,
  headerValue,
  type InnerTunnel,
  type TunnelPool,
  type TunnelPoolSettings,
  type TunnelRequest,
  type TunnelStream,
} from '#shared/hbone'
import { Canceller } from '#shared/lifecycle'
import type { SpiffeId } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import { MemoryCa } from '../../support/memory-ca.ts'
import { forwardTo, type GatewayWay, networkGateway, type TestGateway } from '../../support/network-gateway.ts'
import { tlsTextsOf } from '../../support/tls-texts.ts'
import {
  keyOf,
  listen,
  listenTunnels,
  type TestAcceptor,
  TestDialer,
  type TestListener,
  until,
} from '../../support/tunnel-ends.ts'

const MIB = 1 << 20
const ca = new MemoryCa()
const web = ca.issue(ca.id('shop', 'web'))
const cart = ca.issue(ca.id('shop', 'cart'))
const gatewayId = ca.id('istio-system', 'gateway')
const authority = { kind: 'hostname', hostname: 'cart.shop.svc.cluster.local', port: 80 } as const
const outer: ConnectRequest = { authority, headers: [['baggage', 'k8s.namespace.name=shop']] }

const opened: { close(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

function later<T extends { close(): Promise<void> | void }>(one: T): T {
  opened.push(one)
  return one
}

function innerFor(...acceptedPeers: SpiffeId[]): InnerTunnel {
  return { acceptedPeers, request: { authority, headers: [...outer.headers, ['x-forwarded-network', 'west']] } }
}

async function gatewayWith(way: GatewayWay): Promise<TestGateway> {
  return later(await networkGateway(ca, 'istio-system/gateway', way))
}

async function farEnd(onTunnel: (request: TunnelRequest) => void, certificate = cart): Promise<TestAcceptor> {
  return later(await listenTunnels(certificate, onTunnel))
}

/** Binds each accepted tunnel to a socket of `target`. */
function deliverTo(target: TestListener): (incoming: TunnelRequest) => void {
  return (incoming) => {
    const pump = incoming.accept()
    const { ip: host, port } = target.address
    void pump.bind(connect({ host, port, allowHalfOpen: true, onread: pump.onread }))
  }
}

interface Way {
  readonly pool: TunnelPool
  readonly dialer: TestDialer
  connect(inner?: InnerTunnel, cancellation?: Canceller): Promise<TunnelStream>
}

function wayThrough(gateway: { readonly address: SocketAddress }, settings: Partial<TunnelPoolSettings> = {}): Way {
  const pool = later(createTunnelPool({ clock: systemClock, ...settings }))
  const dialer = new TestDialer(gateway.address, web)
  const key = keyOf(web.id, gateway.address, gatewayId)
  return {
    pool,
    dialer,
    connect: (inner = innerFor(cart.id), cancellation) => pool.connectThrough(key, dialer, outer, inner, cancellation),
  }
}

/** The application's own end of what a tunnel carries. */
async function applicationOf(tunnel: TunnelStream): Promise<Socket> {
  const application = Promise.withResolvers<Socket>()
  const { address } = later(await listen(application.resolve))
  const onread = tunnel.pump.onread
  void tunnel.pump.bind(connect({ host: address.ip, port: address.port, allowHalfOpen: true, onread }))
  return application.promise
}

async function readAll(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const chunk of socket) pieces.push(chunk as Buffer)
  return Buffer.concat(pieces)
}

const echo = (): Promise<TestListener> => listen((socket) => void socket.pipe(socket)).then(later)

describe('double HBONE: our client, a gateway of node:http2, our own far end', () => {
  it('carries bytes and half-closes both ways, and proves the far identity and not the gateway’s', async () => {
    const far = await farEnd(deliverTo(await echo()))
    const gateway = await gatewayWith(forwardTo(far.address))
    const tunnel = await wayThrough(gateway).connect()
    expect(tunnel.peer).toBe(cart.id)
    const application = await applicationOf(tunnel)
    application.end('hello')
    expect(String(await readAll(application))).toBe('hello')
    await until(() => gateway.streams.size === 0)
  })

  it('asks both for the same authority, and tells only the far end of its network', async () => {
    const seen: TunnelRequest[] = []
    const far = await farEnd((incoming) => {
      seen.push(incoming)
      incoming.accept()
    })
    const gateway = await gatewayWith(forwardTo(far.address))
    await wayThrough(gateway).connect()
    expect(gateway.requests.map((headers) => headers[':authority'])).toEqual(['cart.shop.svc.cluster.local:80'])
    expect(gateway.requests[0]?.['x-forwarded-network']).toBeUndefined()
    expect(seen[0]?.target).toEqual(authority)
    expect(seen[0]?.peer).toBe(web.id)
    expect(headerValue(seen[0]?.headers ?? [], 'x-forwarded-network')).toBe('west')
  })

  it('shares the outer connection and never an inner one', async () => {
    const far = await farEnd(deliverTo(await echo()))
    const gateway = await gatewayWith(forwardTo(far.address))
    const way = wayThrough(gateway)
    await Promise.all([way.connect(), way.connect(), way.connect()])
    expect(way.dialer.sockets).toHaveLength(1)
    expect(far.tunnels).toHaveLength(3)
  })

  it('carries bulk both ways byte for byte, whichever side is slow', async () => {
    const far = await farEnd(deliverTo(await echo()))
    const gateway = await gatewayWith(forwardTo(far.address))
    const application = await applicationOf(await wayThrough(gateway).connect())
    const sent = randomBytes(8 * MIB)
    application.end(sent)
    expect((await readAll(application)).equals(sent)).toBe(true)
  })

  it('holds the sender back by the windows of both layers when the far application does not read', async () => {
    let delivered: Socket | undefined
    const still = later(
      await listen((socket) => {
        delivered = socket
        socket.pause()
      }),
    )
    const far = await farEnd(deliverTo(still))
    const limits = { streamWindowBytes: 65_535, connectionWindowBytes: 65_535, maxQueuedStreamBytes: 65_536 }
    const gateway = await gatewayWith(forwardTo(far.address))
    const tunnel = await wayThrough(gateway, { limits }).connect()
    const application = await applicationOf(tunnel)
    const total = 64 * MIB
    application.write(Buffer.alloc(total))
    await until(() => delivered !== undefined)
    let last = -1
    while (last !== tunnel.pump.meter.sentBytes) {
      last = tunnel.pump.meter.sentBytes
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(last).toBeLessThan(total / 2)
    application.destroy()
  })

  it('passes the far end’s refusal on as its own status', async () => {
    const far = await farEnd((incoming) => incoming.refuse(401))
    const gateway = await gatewayWith(forwardTo(far.address))
    const message = 'http status: 401 Unauthorized'
    await expect(wayThrough(gateway).connect()).rejects.toMatchObject({ code: 'TUNNEL_REFUSED', message })
    await until(() => gateway.streams.size === 0)
  })

  it('ends both layers when the application breaks off', async () => {
    const far = await farEnd(deliverTo(await echo()))
    const gateway = await gatewayWith(forwardTo(far.address))
    const application = await applicationOf(await wayThrough(gateway).connect())
    application.resetAndDestroy()
    await until(() => gateway.streams.size === 0)
    await until(() => far.tunnels.every(({ connection }) => connection.streamCount === 0))
  })

  it('ends the application when the far application breaks off', async () => {
    const target = later(await listen((socket) => socket.once('data', () => socket.resetAndDestroy())))
    const far = await farEnd(deliverTo(target))
    const gateway = await gatewayWith(forwardTo(far.address))
    const application = await applicationOf(await wayThrough(gateway).connect())
    application.write('x')
    expect(await readAll(application)).toHaveLength(0)
    await until(() => gateway.streams.size === 0)
  })

  it('is given up during the inner hand-shake, and the outer stream with it', async () => {
    const gateway = await gatewayWith((stream) => stream.respond({ ':status': 200 }))
    const canceller = new Canceller()
    const asked = wayThrough(gateway).connect(undefined, canceller)
    const failed = expect(asked).rejects.toMatchObject({ code: expect.stringMatching(/^TUNNEL_/) })
    await until(() => gateway.streams.size === 1)
    canceller.cancel()
    await failed
    await until(() => gateway.streams.size === 0)
  })
})

describe('double HBONE: the far end is of node:tls and node:http2', () => {
  it('carries bytes', async () => {
    const server = createSecureServer({ ...tlsTextsOf(ca, 'shop/cart'), requestCert: true, rejectUnauthorized: true })
    const asked: unknown[] = []
    server.on('session', (session) => session.on('error', () => {}))
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      asked.push([headers[':method'], headers[':authority'], headers['x-forwarded-network']])
      stream.on('error', () => {})
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    })
    const far = later(await listen((socket) => server.emit('connection', socket)))
    const gateway = await gatewayWith(forwardTo(far.address))
    const application = await applicationOf(await wayThrough(gateway).connect())
    application.end('over there')
    expect(String(await readAll(application))).toBe('over there')
    expect(asked).toEqual([['CONNECT', 'cart.shop.svc.cluster.local:80', 'west']])
  })
})

describe('a hostile gateway', () => {
  const quick = { handshakeTimeoutMs: 300, answerTimeoutMs: 300 }

  it.each<[string, GatewayWay]>([
    ['never answers the outer CONNECT', () => {}],
    ['answers and then says nothing', (stream) => stream.respond({ ':status': 200 })],
    [
      'ends the stream at once',
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.end()
      },
    ],
    [
      'resets the stream',
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.close(8)
      },
    ],
    [
      'says something that is not TLS',
      (stream) => {
        stream.respond({ ':status': 200 })
        stream.write('HTTP/1.1 200 OK\r\n\r\n')
      },
    ],
    ['closes its connection', (stream) => stream.session?.destroy()],
    ['refuses with a status of its own', (stream) => stream.respond({ ':status': 503 }, { endStream: true })],
  ])('that %s fails the connection in bounded time and keeps nothing', async (_, way) => {
    const gateway = await gatewayWith(way)
    const through = wayThrough(gateway, quick)
    await expect(through.connect()).rejects.toMatchObject({ code: expect.stringMatching(/^TUNNEL_/) })
    await until(() => gateway.streams.size === 0)
  })

  it('that terminates the inner tunnel itself is refused: its identity is not the service’s', async () => {
    const gateway = await gatewayWith((stream) => {
      stream.respond({ ':status': 200 })
      const inner = new TLSSocket(stream as unknown as Socket, {
        isServer: true,
        ...tlsTextsOf(ca, 'istio-system/gateway'),
        ALPNProtocols: ['h2'],
      })
      inner.on('error', () => {})
    })
    await expect(wayThrough(gateway).connect()).rejects.toMatchObject({
      code: 'PEER_UNVERIFIED',
      message: expect.stringContaining('istio-system/sa/gateway'),
    })
    await until(() => gateway.streams.size === 0)
  })

  it('is refused when nobody is accepted inside', async () => {
    const far = await farEnd(deliverTo(await echo()))
    const gateway = await gatewayWith(forwardTo(far.address))
    await expect(wayThrough(gateway).connect(innerFor())).rejects.toMatchObject({ code: 'PEER_UNVERIFIED' })
  })

  it('that cuts in the middle of a transfer resets the application', async () => {
    const far = await farEnd(deliverTo(await echo()))
    let cut = (): void => {}
    const gateway = await gatewayWith((stream) => {
      forwardTo(far.address)(stream, {})
      cut = () => stream.end()
    })
    const application = await applicationOf(await wayThrough(gateway).connect())
    const failure = once(application, 'error')
    application.write('half of it')
    await once(application, 'data')
    cut()
    expect((await failure)[0]).toMatchObject({ code: 'ECONNRESET' })
  })

  it('that stops reading gets no more than the windows, and a cut goes through all the same', async () => {
    const far = await farEnd(deliverTo(await echo()))
    const gateway = await gatewayWith((stream) => {
      const socket = connect({ host: far.address.ip, port: far.address.port })
      socket.on('error', () => {})
      stream.on('close', () => socket.destroy())
      socket.pipe(stream)
      stream.respond({ ':status': 200 })
      let forwarded = 0
      stream.on('data', (chunk: Buffer) => {
        forwarded += chunk.length
        socket.write(chunk)
        if (forwarded > 100_000) stream.pause()
      })
    })
    const through = wayThrough(gateway)
    const tunnel = await through.connect()
    const application = await applicationOf(tunnel)
    application.write(Buffer.alloc(64 * MIB))
    let last = -1
    while (last !== tunnel.pump.meter.sentBytes) {
      last = tunnel.pump.meter.sentBytes
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(last).toBeLessThan(16 * MIB)
    tunnel.pump.abort()
    await until(() => gateway.streams.size === 0)
    expect(through.pool.connectionCount).toBe(1)
  })
})
