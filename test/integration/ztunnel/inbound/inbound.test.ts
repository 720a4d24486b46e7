import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type ConnectTarget, createTunnelPool, headerValue, type TunnelPool, type TunnelStream } from '#shared/hbone'
import type { HeaderList } from '#shared/http2'
import { Drain } from '#shared/lifecycle'
import type { MeshState } from '#shared/mesh-state'
import { adoptSocket, PROXY_VALUE_PEER_ID, readProxyHeader } from '#shared/net'
import { currentNetns, type Netns } from '#shared/sys'
import { AccessLog, Log, Metrics } from '#shared/telemetry'
import { Authorizer, Verdicts, watchPolicies } from '../../../../src/ztunnel/authz/index.ts'
import type { LocalPod, PodWork } from '../../../../src/ztunnel/capture/index.ts'
import { ConnectionTable } from '../../../../src/ztunnel/connections/index.ts'
import { PodDialer } from '../../../../src/ztunnel/dial/index.ts'
import { Inbound, type InboundOptions } from '../../../../src/ztunnel/inbound/index.ts'
import { ConnectionMetrics, ConnectionReporter } from '../../../../src/ztunnel/reporting/index.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'
import {
  ip,
  match,
  meshOf,
  policy,
  policyUpdate,
  service,
  type WorkloadInput,
  workload,
} from '../../../support/mesh-builder.ts'
import { requirePrivileges } from '../../../support/privileges.ts'
import { quietLogger } from '../../../support/quiet-logger.ts'
import { TestDialer, until } from '../../../support/tunnel-ends.ts'
import { withoutChance } from '../../../support/ztunnel-process.ts'

const ca = new MemoryCa()
const LOOPBACK = ip('127.0.0.1')

interface Way {
  readonly mesh: MeshState
  readonly lines: readonly string[]
  readonly pod: LocalPod
  readonly table: ConnectionTable
  connect(authority?: ConnectTarget, headers?: HeaderList): Promise<TunnelStream>
}

describe.runIf(requirePrivileges())('the way into a pod by tunnel', () => {
  let netns: Netns
  let app: Server
  let appPort: number
  let received: string[]
  const open: { close(): unknown }[] = []

  beforeEach(async () => {
    netns = currentNetns()
    received = []
    app = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (bytes) => {
        received.push(bytes.toString('latin1'))
        socket.write(bytes)
      })
    })
    await new Promise<void>((resolve) => app.listen(0, LOOPBACK, resolve))
    appPort = (app.address() as { readonly port: number }).port
  })
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close()
    app.close()
    netns.close()
  })

  const target = (): ConnectTarget => ({ kind: 'address', ip: LOOPBACK, port: appPort })

  const setUp = async (
    server: Partial<WorkloadInput> = {},
    change: Partial<InboundOptions> = {},
    table = new ConnectionTable(),
    filter = 'info',
  ): Promise<Way> => {
    const mesh = meshOf([
      workload({
        name: 'server',
        serviceAccount: 'server',
        addresses: ['127.0.0.1'],
        services: { 'default/web.default.svc.cluster.local': { 80: appPort } },
        ...server,
      }),
      service({ name: 'web', ports: { 80: 0 } }),
    ])
    const lines: string[] = []
    const log = new Log({
      format: 'plain',
      filter,
      clock: systemClock,
      output: { line: (text) => lines.push(withoutChance(text.trimEnd())) },
    })
    const authorizer = new Authorizer({
      view: mesh,
      unknownPolicy: 'open',
      logger: quietLogger,
      verdicts: new Verdicts(new Metrics(), systemClock),
      policyLogLevel: 'debug',
    })
    const stop = watchPolicies(mesh, table, authorizer)
    const pod: LocalPod = {
      uid: 'pod',
      info: { name: 'server', namespace: 'default', serviceAccount: 'server' },
      netns,
      work: new Drain<PodWork>(
        systemClock,
        (work) => work.cut('pod-removed'),
        (work, order) => work.drain?.(order),
      ),
      belongings: [],
    }
    const inbound = new Inbound({
      view: mesh,
      clock: systemClock,
      authorizer,
      dialer: new PodDialer({
        clock: systemClock,
        log: quietLogger,
        packetMark: 0,
        keepAlive: undefined,
        sourceKeeping: 'never',
      }),
      reporter: new ConnectionReporter({
        clock: systemClock,
        accessLog: new AccessLog(log),
        metrics: new ConnectionMetrics(new Metrics()),
        table,
      }),
      certificateOf: async (id) => ca.issue(id),
      limits: {},
      network: '',
      ownPorts: new Set([15_008]),
      revocation: undefined,
      halfOpenTimeoutMs: 0,
      isAppTunnelOnLoopback: true,
      isBaggageUsed: true,
      ...change,
    })
    const listener = createServer({ pauseOnConnect: true }, (socket) => {
      const source = { ip: LOOPBACK, port: socket.remotePort ?? 0 }
      inbound.handle({ pod, source, acceptedOn: { ip: LOOPBACK, port: 15_008 }, socket })
    })
    await new Promise<void>((resolve) => listener.listen(0, LOOPBACK, resolve))
    const address = { ip: LOOPBACK, port: (listener.address() as { readonly port: number }).port }
    const pool: TunnelPool = createTunnelPool()
    open.push({ close: stop }, pool, { close: () => listener.close() })
    const source = ca.id('default', 'client')
    const dialer = new TestDialer(address, ca.issue(source))
    const key = {
      source,
      acceptedPeers: [ca.id('default', 'server')],
      destination: address,
      workloadUid: 'server',
      sourceIp: LOOPBACK,
    }
    return {
      mesh,
      lines,
      pod,
      table,
      connect: (authority = target(), headers = []) => pool.connect(key, dialer, { authority, headers }),
    }
  }

  /** An application behind the tunnel's client. */
  const opener = async (tunnel: TunnelStream): Promise<Socket> => {
    const accepted = Promise.withResolvers<Socket>()
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, accepted.resolve)
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve))
    const socket = connect((server.address() as { readonly port: number }).port, LOOPBACK)
    socket.on('error', () => {})
    open.push({ close: () => socket.destroy() }, { close: () => server.close() })
    const unread = await accepted.promise
    void tunnel.pump.bind(adoptSocket(unread, tunnel.pump.onread))
    return socket
  }
  const say = async (socket: Socket, text: string): Promise<string> => {
    socket.write(text)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString()
  }

  const SOURCE =
    'src.addr=127.0.0.1:* src.workload="server" src.namespace="default" src.identity="spiffe://cluster.local/ns/default/sa/client" src.cluster="Kubernetes"'
  const DESTINATION =
    'dst.workload="server" dst.namespace="default" dst.identity="spiffe://cluster.local/ns/default/sa/server" dst.cluster="Kubernetes" direction="inbound"'

  it('answers with who the destination is, carries bytes, and tells of it at the end', async () => {
    const way = await setUp()
    const tunnel = await way.connect()
    expect(headerValue(tunnel.responseHeaders, 'baggage')).toBe(
      'k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.deployment.name=server,service.name=server,service.version=latest',
    )
    const socket = await opener(tunnel)
    expect(await say(socket, 'hello')).toBe('hello')
    socket.destroy()
    await until(() => way.lines.length > 0)
    expect(way.lines).toEqual([
      `info\taccess\tconnection complete\t${SOURCE} dst.addr=127.0.0.1:15008 dst.hbone_addr=127.0.0.1:${appPort} dst.service="web.default.svc.cluster.local" ${DESTINATION} bytes_sent=5 bytes_recv=5 duration=*`,
    ])
    expect([way.table.size, way.pod.work.size]).toEqual([0, 1])
  })

  it('finds the port that a service name means at this pod', async () => {
    const way = await setUp()
    const tunnel = await way.connect({ kind: 'hostname', hostname: 'web.default.svc.cluster.local', port: 80 })
    expect(await say(await opener(tunnel), 'by name')).toBe('by name')
  })

  it('tells an application that takes the PROXY protocol who is there, before the first byte', async () => {
    const way = await setUp({ applicationTunnel: { protocol: 'PROXY', port: appPort } })
    const socket = await opener(await way.connect({ kind: 'address', ip: ip('10.9.0.1'), port: 80 }))
    socket.write('x')
    await until(() => received.join('').endsWith('x'))
    const bytes = Buffer.from(received.join(''), 'latin1')
    const read = readProxyHeader(bytes, 1024)
    if (read.kind !== 'header') throw new Error(read.kind)
    expect(read.header.ends?.destination).toEqual({ ip: '10.9.0.1', port: 80 })
    expect(read.header.ends?.source.ip).toBe('127.0.0.1')
    expect(read.header.values.map(({ type, value }) => [type, Buffer.from(value).toString()])).toEqual([
      [PROXY_VALUE_PEER_ID, 'spiffe://cluster.local/ns/default/sa/client'],
    ])
    expect(bytes.subarray(read.bytes).toString()).toBe('x')
  })

  it.each([
    ['takes over the trace of the other end', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00', true],
    ['drops a trace that is all zeros', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`, false],
    ['drops 55 characters that are no trace', '0'.repeat(55), false],
    ['drops a trace in upper case', '00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-00', false],
  ])('%s', async (_, traceparent, isKept) => {
    const way = await setUp({}, {}, undefined, 'access=debug')
    const socket = await opener(await way.connect(target(), [['traceparent', traceparent]]))
    expect(await say(socket, 'x')).toBe('x')
    socket.destroy()
    await until(() => way.lines.length > 1)
    const traced = way.lines.map((line) => line.endsWith(' trace_id="0af7651916cd43dd8448eb211c80319c"'))
    expect(traced).toEqual([isKept, isKept])
    if (!isKept) expect(way.lines.join()).not.toContain('trace_id')
  })

  it('describes a client outside the mesh by what it says of itself', async () => {
    const way = await setUp()
    const headers: HeaderList = [
      ['baggage', 'k8s.cluster.name=far,k8s.namespace.name=ns,k8s.deployment.name=app,service.name=canon'],
      ['x-forwarded-network', 'elsewhere'],
    ]
    const socket = await opener(await way.connect(target(), headers))
    await say(socket, 'x')
    socket.destroy()
    await until(() => way.lines.length > 0)
    expect(way.lines[0]).toContain(
      'src.workload="canon" src.namespace="ns" src.identity="spiffe://cluster.local/ns/default/sa/client" src.cluster="far"',
    )
  })

  it('cuts a live connection when a policy comes that denies it, and answers the next with 401', async () => {
    const way = await setUp()
    const socket = await opener(await way.connect())
    await say(socket, 'x')
    const ended = once(socket.resume(), 'end')
    way.mesh.applyAuthorizations(
      policyUpdate([policy({ name: 'no', rules: [[[match({ principals: ['*/sa/client'] })]]] })]),
    )
    await ended
    await until(() => way.lines.length > 0)
    expect(way.lines[0]).toMatch(
      /^error\t.*bytes_sent=1 bytes_recv=1 duration=\* error="connection closed due to policy change" deny.policy="default\/no" deny.rule=0$/,
    )
    await expect(way.connect()).rejects.toMatchObject({
      code: 'TUNNEL_REFUSED',
      message: 'http status: 401 Unauthorized',
    })
    expect(way.lines[1]).toMatch(
      /error="connection closed due to policy rejection: explicitly denied by: default\/no" deny.policy="default\/no" deny.rule=0$/,
    )
    expect(way.table.size).toBe(0)
  })

  it.each([
    [
      'an address of nobody here',
      { kind: 'address', ip: ip('10.0.0.9'), port: 80 },
      400,
      'ip mismatch: 127.0.0.1 != 10.0.0.9',
    ],
    ['its own port', { kind: 'address', ip: LOOPBACK, port: 15_008 }, 503, 'attempted recursive call to ourselves'],
    [
      'an unknown name',
      { kind: 'hostname', hostname: 'no.where', port: 80 },
      503,
      'no service or workload for hostname: no.where',
    ],
  ] as const)('refuses %s with an early line', async (_, authority, status, error) => {
    const way = await setUp()
    await expect(way.connect(authority)).rejects.toThrow(`http status: ${status}`)
    expect(way.lines).toEqual([
      `warn\taccess\tconnection failed\tsrc.addr=127.0.0.1:* dst.addr=127.0.0.1:15008 direction="inbound" error="${error}"`,
    ])
  })

  it('answers 503 when the application refuses, and when too many connections are open', async () => {
    const way = await setUp({}, {}, new ConnectionTable(1))
    await expect(way.connect({ kind: 'address', ip: LOOPBACK, port: 1 })).rejects.toThrow('http status: 503')
    expect(way.lines[0]).toMatch(/error="connection failed: connect ECONNREFUSED 127\.0\.0\.1:1"$/)
    await opener(await way.connect())
    await expect(way.connect()).rejects.toThrow('http status: 503')
    expect(way.lines[1]).toMatch(/^warn\t.*error="too many connections"$/)
  })

  it('closes a tunnel without a word when there is no certificate for the pod', async () => {
    const unavailable = new MeshError('CERTIFICATE_UNAVAILABLE', 'no certificate: the CA is away')
    const way = await setUp({}, { certificateOf: () => Promise.reject(unavailable) })
    await expect(way.connect()).rejects.toMatchObject({ code: 'TUNNEL_HANDSHAKE_FAILED' })
    expect(way.lines[0]).toMatch(/^warn\t.*error="no certificate: the CA is away"$/)
    expect(way.pod.work.size).toBe(0)
  })

  it('sends no new streams on a draining tunnel, lets running ones go on, and cuts them at the deadline', async () => {
    const way = await setUp()
    const socket = await opener(await way.connect())
    await say(socket, 'x')
    const drained = way.pod.work.drain({ mode: 'graceful', deadlineMs: 200 })
    expect(await say(socket, 'still here')).toBe('still here')
    const closed = new Promise((resolve) => socket.on('close', resolve))
    await drained
    await closed
    expect(way.lines[0]).toMatch(/error="connection closed due to connection drain"$/)
    expect(way.pod.work.size).toBe(0)
  })
})
