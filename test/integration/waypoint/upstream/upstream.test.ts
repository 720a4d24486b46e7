import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttp1 } from 'node:http'
import { createSecureServer as createHttp2Server, createServer as createPlainHttp2, type Http2Server } from 'node:http2'
import { type AddressInfo, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type ChannelRequest, createTunnelPool, formatConnectTarget } from '#shared/hbone'
import { DEFAULT_TRAFFIC_POLICY, type TrafficPolicy, type UpstreamTls } from '#shared/l7'
import { Canceller } from '#shared/lifecycle'
import type { Service, Workload } from '#shared/model'
import type { WorkloadCertificate } from '#shared/pki'
import { type ClusterBackend, createBalancer, type Picked } from '../../../../src/waypoint/balance/index.ts'
import { DEFAULT_HTTP1, Deadlines, type Exchange, serveHttp2 } from '../../../../src/waypoint/codec/index.ts'
import { createUpstream, type Upstream } from '../../../../src/waypoint/upstream/index.ts'
import { ClusterView } from '../../../support/cluster-view.ts'
import { CollectingReceiver } from '../../../support/collecting-receiver.ts'
import { BodyCollector } from '../../../support/http-exchange.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import { gateway, service, type WorkloadInput, workload } from '../../../support/mesh-builder.ts'
import { forwardTo, networkGateway } from '../../../support/network-gateway.ts'
import { innerConnection } from '../../../support/relay.ts'
import { LOOPBACK, listen, listenChannels, type TestAcceptor, until } from '../../../support/tunnel-ends.ts'
import { exchangeOf } from '../../../support/waypoint-exchange.ts'

const WEB = 'default/web.default.svc.cluster.local'
const clock = systemClock
const ca = new MemoryCa()
const waypoint = ca.issue(ca.id('default', 'waypoint'))
const web = ca.issue(ca.id('default', 'web'))
const folder = mkdtempSync(join(tmpdir(), 'upstream-'))
const rootFile = join(folder, 'root.pem')
writeFileSync(rootFile, ca.rootPem)
afterAll(() => rmSync(folder, { recursive: true }))

const opened: { close(): unknown }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

const backend: ClusterBackend = {
  kind: 'cluster',
  namespace: 'default',
  hostname: 'web.default.svc.cluster.local',
  port: 80,
  subset: '',
}

function pod(name: string, input: Partial<WorkloadInput> = {}): Workload {
  return workload({
    name,
    addresses: ['10.0.0.1'],
    serviceAccount: 'web',
    services: { [WEB]: { 80: 8080 } },
    ...input,
  })
}

interface Scene {
  readonly view: ClusterView
  readonly upstream: Upstream
  pick(): Picked
  /** The status and body of an answer to a GET. */
  get(target?: string): Promise<string>
}

/** A waypoint's way to endpoints; tunnels to 10.0.0.n lead to `tunnels[n - 1]`. */
function scene(
  workloads: readonly (Workload | Service)[],
  policy: Partial<TrafficPolicy> = {},
  tunnels: readonly TestAcceptor[] = [],
): Scene {
  const view = new ClusterView([service({ name: 'web' }), ...workloads])
  view.put(backend, { ...policy, pool: { ...DEFAULT_TRAFFIC_POLICY.pool, upgrade: 'always', ...policy.pool } })
  const balancer = createBalancer({ view, clock, self: () => undefined })
  const pool = createTunnelPool({ clock })
  const upstream = createUpstream({
    clock,
    mesh: view.mesh,
    tunnels: pool,
    certificate: () => Promise.resolve(waypoint),
    identity: waypoint.id,
    self: () => undefined,
    sourceIp: LOOPBACK,
    network: '',
    tunnelPort: 15_008,
    dialTunnel: ({ ip }) => {
      const port = tunnels[Number(ip.split('.')[3]) - 1]?.address.port ?? 1
      return connect({ host: LOOPBACK, port, allowHalfOpen: true })
    },
    deadlines: new Deadlines(clock),
    http1: DEFAULT_HTTP1,
  })
  opened.push(upstream, pool, balancer)
  const pick = (): Picked => {
    const facts = { avoid: [], isRetry: false, usesRemoteLocalities: false, dialled: undefined }
    const picked = balancer.pick(backend, { exchange: exchangeOf(), ...facts })
    if (typeof picked === 'string') throw new Error(picked)
    return picked
  }
  const get = async (target = '/'): Promise<string> => {
    const picked = pick()
    try {
      const exchange = await upstream.send(picked, exchangeOf({ target }).request, 0, new Canceller())
      exchange.body.end(undefined)
      const { head, body } = await exchange.response
      const collector = new BodyCollector()
      body.pipe(collector)
      const whole = await collector.whole
      picked.done({ kind: 'answered', status: head.status })
      return `${head.status} ${whole.body}`
    } catch (error) {
      picked.done({ kind: 'failed', isLocalOrigin: true })
      throw error
    }
  }
  return { view, upstream, pick, get }
}

function answer(exchange: Exchange, text: string): void {
  const sink = exchange.respond({ version: 'HTTP/2', status: 200, fields: exchange.request.fields.copy() }, undefined)
  const bytes = Buffer.from(text)
  sink.write(bytes, 0, bytes.length)
  sink.end(undefined)
}

interface TunnelEndpoint extends TestAcceptor {
  readonly requests: ChannelRequest[]
}

/** A workload behind a tunnel, speaking HTTP/2 inside of it unless `serve` does something else with the bytes. */
async function tunnelled(
  onExchange: (exchange: Exchange) => void = (exchange) => answer(exchange, exchange.request.target),
  certificate: WorkloadCertificate = web,
  serve?: (request: ChannelRequest) => void,
): Promise<TunnelEndpoint> {
  const requests: ChannelRequest[] = []
  const acceptor = await listenChannels(certificate, (request) => {
    requests.push(request)
    if (serve === undefined) serveHttp2(innerConnection(request.acceptChannel(), 'http2'), { clock, onExchange })
    else serve(request)
  })
  opened.push(acceptor)
  return { ...acceptor, requests }
}

async function listening(server: Server | Http2Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, LOOPBACK, () => resolve()))
  opened.push({ close: () => server.close() })
  return (server.address() as AddressInfo).port
}

function plainPod(port: number, input: Partial<WorkloadInput> = {}): Workload {
  return pod('plain', { protocol: 'TCP', addresses: [LOOPBACK], services: { [WEB]: { 80: port } }, ...input })
}

/** What a workload's tunnel does: bytes to the application's socket and back. */
function deliverTo(port: number): (request: ChannelRequest) => void {
  return (request) => {
    const channel = request.acceptChannel()
    const socket = connect({ host: LOOPBACK, port, allowHalfOpen: true })
    socket.on('error', () => channel.destroy())
    socket.on('drain', () => channel.consumed(unconsumed.splice(0).reduce((a, b) => a + b, 0)))
    const unconsumed: number[] = []
    channel.start({
      onBytes: (bytes, start, end) => {
        if (socket.write(Buffer.from(bytes.subarray(start, end)))) channel.consumed(end - start)
        else unconsumed.push(end - start)
      },
      onEnd: () => socket.end(),
      onWritable: () => void socket.resume(),
      onClosed: () => socket.destroy(),
    })
    socket.on('data', (chunk: Buffer) => {
      channel.write(chunk, 0, chunk.length)
      if (channel.isCongested) socket.pause()
    })
    socket.on('end', () => channel.end())
  }
}

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  try {
    await outcome
    return 'none'
  } catch (error) {
    return error instanceof MeshError ? error.code : String(error)
  }
}

describe('through tunnels', () => {
  it('sends requests under the identity of the waypoint to the port of the application', async () => {
    const endpoint = await tunnelled()
    const { get } = scene([pod('a')], {}, [endpoint])
    expect(await get('/one')).toBe('200 /one')
    const [request] = endpoint.requests
    expect(request?.peer).toBe(waypoint.id)
    expect(formatConnectTarget(request!.target)).toBe('10.0.0.1:8080')
  })

  it('sends many requests on one connection inside of one tunnel', async () => {
    const endpoint = await tunnelled()
    const { get, upstream } = scene([pod('a')], {}, [endpoint])
    await get()
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => get(`/${i}`)))
    expect(all).toEqual(Array.from({ length: 50 }, (_, i) => `200 /${i}`))
    expect([endpoint.tunnels.length, endpoint.requests.length]).toEqual([1, 1])
    expect(upstream.dump()).toMatchObject([
      { endpoint: '10.0.0.1:8080', connections: 1, activeRequests: 0, waiting: 0 },
    ])
  })

  it('counts connections inside of tunnels for maxConnections', async () => {
    const held: Exchange[] = []
    const endpoint = await tunnelled((exchange) => held.push(exchange))
    const pool = {
      ...DEFAULT_TRAFFIC_POLICY.pool,
      upgrade: 'always',
      maxConnections: 2,
      maxConcurrentStreams: 1,
    } as const
    const { get, upstream } = scene([pod('a')], { pool: { ...pool, maxPendingRequests: 2 } }, [endpoint])
    const running = [get('/1'), get('/2')]
    await until(() => held.length === 2)
    const waiting = get('/3')
    expect(upstream.dump()[0]).toMatchObject({ connections: 2, dialing: 0, waiting: 1 })
    for (const exchange of held.splice(0)) answer(exchange, 'done')
    await until(() => held.length === 1)
    answer(held[0]!, 'done')
    expect(await Promise.all([...running, waiting])).toEqual(['200 done', '200 done', '200 done'])
    expect(endpoint.requests).toHaveLength(2)
  })

  it('refuses an endpoint that proves another identity', async () => {
    const endpoint = await tunnelled(undefined, ca.issue(ca.id('default', 'other')))
    const { get } = scene([pod('a')], {}, [endpoint])
    expect(await codeOf(get())).toBe('PEER_UNVERIFIED')
  })

  it('says when the tunnel of the endpoint refuses', async () => {
    const endpoint = await tunnelled(undefined, web, (request) => request.refuse(401))
    expect(await codeOf(scene([pod('a')], {}, [endpoint]).get())).toBe('TUNNEL_REFUSED')
  })

  it('says when nobody listens, and when nobody answers in time', async () => {
    expect(await codeOf(scene([pod('a')]).get())).toBe('UPSTREAM_CONNECT_FAILED')
    const silent = await listen(() => {})
    opened.push(silent)
    const pool = { ...DEFAULT_TRAFFIC_POLICY.pool, connectTimeoutMs: 50 }
    const { get } = scene([pod('a')], { pool: { ...pool, upgrade: 'always' } }, [
      { ...silent, tunnels: [], failures: [] },
    ])
    expect(await codeOf(get())).toBe('UPSTREAM_CONNECT_TIMEOUT')
  })
})

describe('an endpoint of another network', () => {
  const far = pod('far', { addresses: ['10.0.0.1'], network: 'far', networkGateway: gateway('/10.0.0.9') })
  const eastWest = workload({ name: 'gateway', addresses: ['10.0.0.9'], serviceAccount: 'gateway' })
  const known = service({ name: 'web', subjectAltNames: [web.id] })

  it('is reached through the gateway of that network, by the name of the service', async () => {
    const endpoint = await tunnelled()
    const between = await networkGateway(ca, ca.id('default', 'gateway'), forwardTo(endpoint.address))
    opened.push(between)
    const nobody = { ...between, tunnels: [], failures: [] }
    const { get } = scene([known, far, eastWest], {}, [...new Array(8).fill(nobody), nobody])
    expect(await get('/far')).toBe('200 /far')
    const [request] = endpoint.requests
    expect(formatConnectTarget(request!.target)).toBe('web.default.svc.cluster.local:80')
    expect(request!.peer).toBe(waypoint.id)
    expect(between.requests[0]?.[':authority']).toBe('web.default.svc.cluster.local:80')
  })

  it.each<[string, readonly (Workload | Service)[], string]>([
    ['its gateway is not known', [known, far], 'UPSTREAM_CONNECT_FAILED'],
    ['nobody is named who may answer there', [far, eastWest], 'PEER_UNVERIFIED'],
  ])('is not reached when %s', async (_, addresses, code) => {
    const endpoint = await tunnelled()
    const between = await networkGateway(ca, ca.id('default', 'gateway'), forwardTo(endpoint.address))
    opened.push(between)
    const nobody = { ...between, tunnels: [], failures: [] }
    const { get } = scene(addresses, {}, new Array(9).fill(nobody))
    expect(await codeOf(get())).toBe(code)
    expect(endpoint.requests).toEqual([])
  })
})

describe('an endpoint that goes', () => {
  it.each<[string, (view: ClusterView, a: Workload) => void]>([
    ['is removed', (view, a) => view.tell([], [a.uid])],
    ['is terminating', (view, a) => view.tell([{ ...a, status: 'Unhealthy' }])],
  ])('and %s finishes its requests; its connections end behind them', async (_, change) => {
    const held: Exchange[] = []
    const first = await tunnelled((exchange) => held.push(exchange))
    const second = await tunnelled()
    const a = pod('a')
    const { get, view, upstream } = scene([a], {}, [first, second])
    const running = get('/slow')
    await until(() => held.length === 1)
    view.tell([pod('b', { addresses: ['10.0.0.2'] })])
    change(view, a)
    expect(await Promise.all([get('/1'), get('/2')])).toEqual(['200 /1', '200 /2'])
    expect(upstream.dump().map(({ uid, connections }) => [uid.slice(-1), connections])).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    answer(held[0]!, 'done')
    expect(await running).toBe('200 done')
    await until(() => upstream.dump().length === 1)
  })

  it('and closes an idle connection is not asked on it again', async () => {
    const endpoint = await tunnelled()
    const { get, upstream } = scene([pod('a')], {}, [endpoint])
    await get()
    for (const socket of endpoint.accepted) socket.destroy()
    await until(() => upstream.dump().length === 0)
    expect(await get('/again')).toBe('200 /again')
  })

  it('loses nothing in a rollout under load', async () => {
    const endpoints = await Promise.all(Array.from({ length: 4 }, () => tunnelled()))
    const pods = endpoints.map((_, i) => pod(`w${i}`, { addresses: [`10.0.0.${i + 1}`] }))
    const { get, view } = scene(pods.slice(0, 2), {}, endpoints)
    const outcomes: Promise<string>[] = []
    for (let i = 0; i < 200; i++) {
      outcomes.push(get())
      if (i === 50) view.tell([pods[2]!], [pods[0]!.uid])
      if (i === 100) view.tell([pods[3]!], [pods[1]!.uid])
      if (i % 10 === 0) await outcomes.at(-1)
    }
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['200 /']))
    expect(endpoints.every(({ requests }) => requests.length > 0)).toBe(true)
  })

  it('and takes another way when its workload leaves the mesh', async () => {
    const tunnel = await tunnelled()
    const server = createPlainHttp2((_, response) => void response.end('plain'))
    const port = await listening(server)
    const inMesh = pod('a', { addresses: [LOOPBACK], services: { [WEB]: { 80: port } } })
    const { get, view } = scene([inMesh], {}, [tunnel])
    expect(await get('/tunnel')).toBe('200 /tunnel')
    view.tell([{ ...inMesh, protocol: 'TCP' }])
    expect(await get()).toBe('200 plain')
  })
})

describe('HTTP/1', () => {
  const http1 = { pool: { ...DEFAULT_TRAFFIC_POLICY.pool, upgrade: 'never' } } as const

  it('keeps connections alive, one request at a time on each', async () => {
    const sockets = new Set<unknown>()
    const server = createHttp1((request, response) => {
      sockets.add(request.socket)
      response.end(request.url)
    })
    const { get, upstream } = scene([plainPod(await listening(server))], http1)
    expect(await get('/1')).toBe('200 /1')
    expect(await get('/2')).toBe('200 /2')
    expect(sockets.size).toBe(1)
    expect(await Promise.all([get('/3'), get('/4')])).toEqual(['200 /3', '200 /4'])
    expect([sockets.size, upstream.dump()[0]?.connections]).toEqual([2, 2])
  })

  it('goes through tunnels', async () => {
    const server = createHttp1((request, response) => void response.end(request.url))
    const endpoint = await tunnelled(undefined, web, deliverTo(await listening(server)))
    const { get } = scene([pod('a')], http1, [endpoint])
    expect([await get('/1'), await get('/2')]).toEqual(['200 /1', '200 /2'])
    expect(endpoint.requests).toHaveLength(1)
  })

  it('does not ask on a connection that the endpoint has closed', async () => {
    const server = createHttp1({ keepAliveTimeout: 1 }, (request, response) => void response.end(request.url))
    const { get, upstream } = scene([plainPod(await listening(server))], http1)
    expect(await get('/1')).toBe('200 /1')
    await until(() => upstream.dump().length === 0)
    expect(await get('/2')).toBe('200 /2')
  })

  it('lets the endpoint close behind its answer', async () => {
    const server = createHttp1((request, response) => void response.setHeader('connection', 'close').end(request.url))
    const { get, upstream } = scene([plainPod(await listening(server))], http1)
    expect([await get('/1'), await get('/2')]).toEqual(['200 /1', '200 /2'])
    await until(() => upstream.dump().length === 0)
  })
})

describe('without a tunnel', () => {
  it('speaks plain TCP, to addresses and to host names', async () => {
    const server = createPlainHttp2((request, response) => void response.end(request.url))
    const port = await listening(server)
    expect(await scene([plainPod(port)]).get('/a')).toBe('200 /a')
    const named = plainPod(port, { addresses: [], hostname: 'localhost' })
    expect(await scene([named]).get('/b')).toBe('200 /b')
  })

  it('says when a host name has no address', async () => {
    const named = plainPod(80, { addresses: [], hostname: 'nobody.invalid' })
    expect(await codeOf(scene([named]).get())).toBe('UPSTREAM_CONNECT_FAILED')
  })
})

describe('TLS of our own', () => {
  const tls: UpstreamTls = {
    mode: 'simple',
    sni: '',
    subjectAltNames: [],
    caFile: rootFile,
    certificateFile: '',
    keyFile: '',
    skipsVerification: false,
  }

  /** Answers with the server name and the client's certificate. */
  async function secured(hosts: readonly string[], requestsCertificate = false): Promise<number> {
    const { keyPem, certPem } = ca.server(hosts)
    const server = createHttp2Server({
      key: keyPem,
      cert: certPem,
      ca: ca.rootPem,
      requestCert: requestsCertificate,
      rejectUnauthorized: requestsCertificate,
    })
    server.on('request', (request, response) => {
      const socket = request.stream.session?.socket as unknown as { servername: string; authorized: boolean }
      response.end(`${socket.servername} ${socket.authorized}`)
    })
    return listening(server)
  }

  it.each<[string, readonly string[], Partial<UpstreamTls>, string]>([
    ['is for the host name of the service', [backend.hostname], {}, `200 ${backend.hostname} false`],
    ['or for the name that the rule says', ['web.example'], { sni: 'web.example' }, '200 web.example false'],
    [
      'has one of the names that are asked for',
      ['b.example'],
      { subjectAltNames: ['a.example', 'b.example'] },
      `200 ${backend.hostname} false`,
    ],
    ['is for another host', ['other.example'], {}, 'PEER_UNVERIFIED'],
    [
      'has none of the names that are asked for',
      [backend.hostname],
      { subjectAltNames: ['a.example'] },
      'PEER_UNVERIFIED',
    ],
    ['is of an authority of the system', [backend.hostname], { caFile: '' }, 'PEER_UNVERIFIED'],
    ['is not looked at', ['other.example'], { caFile: '', skipsVerification: true }, `200 ${backend.hostname} false`],
    ['needs a file that is not there', [backend.hostname], { caFile: join(folder, 'none') }, 'CERTIFICATE_UNAVAILABLE'],
  ])('the certificate %s', async (_, hosts, change, expected) => {
    const port = await secured(hosts)
    const got = scene([plainPod(port)], { tls: { ...tls, ...change } }).get()
    expect(await got.catch((error: MeshError) => error.code)).toBe(expected)
  })

  it('proves who we are with the certificate of the rule', async () => {
    const client = ca.server(['client.example'])
    const [certificateFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    writeFileSync(certificateFile, client.certPem)
    writeFileSync(keyFile, client.keyPem, { mode: 0o600 })
    const port = await secured([backend.hostname], true)
    const mutual = { ...tls, mode: 'mutual', certificateFile, keyFile } as const
    expect(await scene([plainPod(port)], { tls: mutual }).get()).toBe(`200 ${backend.hostname} true`)
  })

  it('goes through a tunnel, too', async () => {
    const port = await secured([backend.hostname])
    const endpoint = await tunnelled(undefined, web, deliverTo(port))
    const { get, upstream } = scene([pod('a')], { tls }, [endpoint])
    expect(await get()).toBe(`200 ${backend.hostname} false`)
    await upstream.close()
    await until(() => upstream.dump().length === 0)
  })

  it('says when the endpoint does not speak TLS', async () => {
    const server = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    opened.push(server)
    expect(await codeOf(scene([plainPod(server.address.port)], { tls }).get())).toBe('UPSTREAM_CONNECT_FAILED')
  })
})

describe('opaque bytes', () => {
  async function echo(): Promise<number> {
    const server = await listen((socket) => socket.pipe(socket))
    opened.push(server)
    return server.address.port
  }

  it('go to an endpoint on a connection of their own, both ways, to their ends', async () => {
    const { pick, upstream } = scene([plainPod(await echo())])
    const channel = await upstream.openBytes(pick(), new Canceller())
    const receiver = new CollectingReceiver(channel)
    channel.start(receiver)
    channel.write(Buffer.from('hello'), 0, 5)
    channel.end()
    await receiver.closed
    expect(receiver.text).toBe('hello')
  })

  it('are bounded by maxConnections, until one ends', async () => {
    const pool = { ...DEFAULT_TRAFFIC_POLICY.pool, maxConnections: 1 }
    const { pick, upstream } = scene([plainPod(await echo())], { pool })
    const channel = await upstream.openBytes(pick(), new Canceller())
    expect(await codeOf(upstream.openBytes(pick(), new Canceller()))).toBe('TUNNEL_POOL_UNAVAILABLE')
    channel.destroy()
    const next = await upstream.openBytes(pick(), new Canceller())
    expect(next.isClosed).toBe(false)
  })

  it('are cut when nothing is said for long', async () => {
    const pool = { ...DEFAULT_TRAFFIC_POLICY.pool, tcpIdleTimeoutMs: 30 }
    const { pick, upstream } = scene([plainPod(await echo())], { pool })
    const channel = await upstream.openBytes(pick(), new Canceller())
    const receiver = new CollectingReceiver(channel)
    channel.start(receiver)
    await receiver.closed
  })

  it('are inside of TLS when the policy says so', async () => {
    const { keyPem, certPem } = ca.server([backend.hostname])
    const server = createTlsServer({ key: keyPem, cert: certPem }, (socket) => void socket.pipe(socket))
    const port = await listening(server)
    const files = { caFile: rootFile, certificateFile: '', keyFile: '' }
    const tls: UpstreamTls = { mode: 'simple', sni: '', subjectAltNames: [], ...files, skipsVerification: false }
    const { pick, upstream } = scene([plainPod(port)], { tls })
    const channel = await upstream.openBytes(pick(), new Canceller())
    const receiver = new CollectingReceiver(channel)
    channel.start(receiver)
    channel.write(Buffer.from('secret'), 0, 6)
    await until(() => receiver.text === 'secret')
  })

  it('come back whole through TLS inside of a tunnel, however much it is', async () => {
    const { keyPem, certPem } = ca.server([backend.hostname])
    const server = createTlsServer({ key: keyPem, cert: certPem }, (socket) => void socket.pipe(socket))
    const endpoint = await tunnelled(undefined, web, deliverTo(await listening(server)))
    const files = { caFile: rootFile, certificateFile: '', keyFile: '' }
    const tls: UpstreamTls = { mode: 'simple', sni: '', subjectAltNames: [], ...files, skipsVerification: false }
    const { pick, upstream } = scene([pod('a')], { tls }, [endpoint])
    const channel = await upstream.openBytes(pick(), new Canceller())
    const sent = randomBytes(5 << 20)
    const receiver = new CollectingReceiver(channel)
    channel.start(receiver)
    await receiver.writeAll(sent)
    channel.end()
    await receiver.closed
    expect(Buffer.from(receiver.text, 'latin1').equals(sent)).toBe(true)
  })
})

describe('the end', () => {
  it('refuses what is new, and waits for what runs', async () => {
    const held: Exchange[] = []
    const endpoint = await tunnelled((exchange) => held.push(exchange))
    const { get, upstream } = scene([pod('a')], {}, [endpoint])
    const running = get()
    await until(() => held.length === 1)
    const drained = upstream.drain({ mode: 'graceful', deadlineMs: 10_000 })
    expect(await codeOf(get())).toBe('TUNNEL_POOL_UNAVAILABLE')
    answer(held[0]!, 'done')
    expect(await running).toBe('200 done')
    await drained
    expect(upstream.dump()).toEqual([])
  })

  it('cuts what runs at the deadline', async () => {
    const held: Exchange[] = []
    const endpoint = await tunnelled((exchange) => held.push(exchange))
    const { get, upstream } = scene([pod('a')], {}, [endpoint])
    const running = codeOf(get())
    await until(() => held.length === 1)
    await upstream.drain({ mode: 'graceful', deadlineMs: 20 })
    expect(await running).toMatch(/^UPSTREAM_RESET/)
  })

  it('who gives up while waiting does not wait for the dial', async () => {
    const silent = await listen(() => {})
    opened.push(silent)
    const { pick, upstream } = scene([pod('a')], {}, [{ ...silent, tunnels: [], failures: [] }])
    const canceller = new Canceller()
    const sending = upstream.send(pick(), exchangeOf().request, 0, canceller)
    canceller.cancel()
    expect(await codeOf(Promise.resolve(sending))).toBe('CLIENT_GONE')
  })
})
