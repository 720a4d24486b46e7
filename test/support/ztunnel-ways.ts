import { randomInt } from 'node:crypto'
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from 'node:net'
import { systemClock } from '#shared/clock'
import { createTunnelPool, type TunnelPoolSettings } from '#shared/hbone'
import { Drain } from '#shared/lifecycle'
import type { MeshState } from '#shared/mesh-state'
import type { SpiffeId } from '#shared/model'
import { acceptRaw, type SocketAddress } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'
import type { Netns } from '#shared/sys'
import { AccessLog, Log, Metrics } from '#shared/telemetry'
import { Authorizer, Verdicts } from '../../src/ztunnel/authz/index.ts'
import { UnreadSocket } from '../../src/ztunnel/capture/accepted-socket.ts'
import type { CapturedConnection, LocalPod, PodWork } from '../../src/ztunnel/capture/index.ts'
import { ConnectionTable } from '../../src/ztunnel/connections/index.ts'
import { PodDialer } from '../../src/ztunnel/dial/index.ts'
import { Inbound, type InboundOptions, PlaintextInbound } from '../../src/ztunnel/inbound/index.ts'
import { HostnameResolver, Outbound, type OutboundOptions } from '../../src/ztunnel/outbound/index.ts'
import { ConnectionMetrics, ConnectionReporter } from '../../src/ztunnel/reporting/index.ts'
import type { MemoryCa } from './memory-ca.ts'
import { ip } from './mesh-builder.ts'
import { quietLogger } from './quiet-logger.ts'
import { withoutChance } from './ztunnel-process.ts'

export const HBONE_PORT = 15_008

/** One end of a mesh on loopback: the ways of one pod, with their books. */
export interface Books {
  readonly pod: LocalPod
  readonly lines: string[]
  readonly table: ConnectionTable
  readonly metrics: Metrics
}

export interface OutboundWay extends Books {
  /** What the pod's application holds of a connection that it opens. */
  connect(to: SocketAddress): Promise<Socket>
  close(): Promise<void>
}

export interface InboundWay extends Books {
  readonly address: SocketAddress
  close(): Promise<void>
}

/** An address of loopback that no other test is likely to use. */
export function ownLoopback(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
}

function booksOf(
  name: string,
  serviceAccount: string,
  netns: Netns,
): Books & { readonly reporter: ConnectionReporter } {
  const lines: string[] = []
  const log = new Log({
    format: 'plain',
    filter: 'info',
    clock: systemClock,
    output: { line: (text) => void lines.push(withoutChance(text.trimEnd())) },
  })
  const table = new ConnectionTable()
  const metrics = new Metrics()
  const pod: LocalPod = {
    uid: name,
    info: { name, namespace: 'default', serviceAccount },
    netns,
    work: new Drain<PodWork>(
      systemClock,
      (work) => work.cut('pod-removed'),
      (work, order) => work.drain?.(order),
    ),
    belongings: [],
  }
  const accessLog = new AccessLog(log)
  const reporter = new ConnectionReporter({
    clock: systemClock,
    accessLog,
    metrics: new ConnectionMetrics(metrics),
    table,
  })
  return { pod, lines, table, metrics, reporter }
}

/** One certificate of each identity, as the certificate manager gives it until it is renewed. */
function certificatesOf(ca: MemoryCa): InboundOptions['certificateOf'] {
  const issued = new Map<SpiffeId, WorkloadCertificate>()
  return async (id) => {
    const certificate = issued.get(id) ?? ca.issue(id)
    issued.set(id, certificate)
    return certificate
  }
}

const plainDialer = (): PodDialer =>
  new PodDialer({ clock: systemClock, log: quietLogger, packetMark: 0, keepAlive: undefined, sourceKeeping: 'never' })

/** The way out of pod `name`; what its application connects to is what the test says, not what a redirect tells. */
export async function outboundWay(
  name: string,
  netns: Netns,
  mesh: MeshState,
  ca: MemoryCa,
  change: Partial<OutboundOptions> & { readonly pool?: Partial<TunnelPoolSettings> } = {},
): Promise<OutboundWay> {
  const books = booksOf(name, name, netns)
  const { pool, ...options } = change
  const outbound = new Outbound({
    view: mesh,
    clock: systemClock,
    logger: quietLogger,
    createPool: () => createTunnelPool({ revocation: options.revocation, ...pool }),
    dialer: plainDialer(),
    reporter: books.reporter,
    resolver: new HostnameResolver(systemClock, () => Promise.resolve([])),
    certificateOf: certificatesOf(ca),
    network: '',
    ownPorts: new Set([15_001, 15_006, HBONE_PORT]),
    hbonePort: HBONE_PORT,
    connectRetries: 2,
    loadBalancing: 'random',
    revocation: undefined,
    halfOpenTimeoutMs: 0,
    ...options,
  })
  return { ...books, ...(await capturedBy(books.pod, outbound.handle)) }
}

/** Connections that a listener takes as if they had been redirected, each to where the test says. */
async function capturedBy(
  pod: LocalPod,
  handle: (connection: CapturedConnection) => void,
): Promise<Pick<OutboundWay, 'connect' | 'close'>> {
  const server = createServer({ pauseOnConnect: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const destinations = new Map<number, SocketAddress>()
  acceptRaw(server, (accepted) => {
    const port = accepted.remote?.port ?? 0
    const originalDestination = destinations.get(port) ?? { ip: ip('127.0.0.1'), port: 1 }
    const source = { ip: ip('127.0.0.1'), port }
    handle({ pod, source, originalDestination, accepted: new UnreadSocket(accepted) })
  })
  const clients: Socket[] = []
  return {
    connect: async (to) => {
      const localPort = await freePort()
      destinations.set(localPort, to)
      const socket = dial({
        port: (server.address() as AddressInfo).port,
        host: '127.0.0.1',
        localPort,
        allowHalfOpen: true,
      })
      socket.on('error', () => {})
      clients.push(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
      return socket
    },
    close: async () => {
      for (const socket of clients) socket.destroy()
      await Promise.all(pod.belongings.map((one) => one.close()))
      await closed(server)
    },
  }
}

function inboundOptions(mesh: MeshState, ca: MemoryCa, reporter: ConnectionReporter): InboundOptions {
  return {
    view: mesh,
    clock: systemClock,
    authorizer: new Authorizer({
      view: mesh,
      unknownPolicy: 'open',
      logger: quietLogger,
      verdicts: new Verdicts(new Metrics(), systemClock),
      policyLogLevel: 'debug',
    }),
    dialer: plainDialer(),
    reporter,
    certificateOf: certificatesOf(ca),
    limits: {},
    network: '',
    ownPorts: new Set([15_001, 15_006, HBONE_PORT]),
    isAppTunnelOnLoopback: true,
    revocation: undefined,
    halfOpenTimeoutMs: 0,
    isBaggageUsed: true,
  }
}

/** The way into pod `name` as plain TCP, and how somebody connects to `to` by it. */
export async function plaintextWay(name: string, netns: Netns, mesh: MeshState, ca: MemoryCa): Promise<OutboundWay> {
  const books = booksOf(name, name, netns)
  const inbound = new PlaintextInbound(inboundOptions(mesh, ca, books.reporter))
  return { ...books, ...(await capturedBy(books.pod, inbound.handle)) }
}

/** The way into pod `name` by tunnel, listening at `at` (a free port of loopback unless told otherwise). */
export async function inboundWay(
  name: string,
  netns: Netns,
  mesh: MeshState,
  ca: MemoryCa,
  change: Partial<InboundOptions> = {},
  at: { readonly host: string; readonly port: number; readonly serviceAccount?: string } = {
    host: '127.0.0.1',
    port: 0,
  },
): Promise<InboundWay> {
  const books = booksOf(name, at.serviceAccount ?? name, netns)
  const inbound = new Inbound({ ...inboundOptions(mesh, ca, books.reporter), ...change })
  const accepted: Socket[] = []
  const acceptedIp = ip(at.host)
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    accepted.push(socket)
    const source = { ip: ip('127.0.0.1'), port: socket.remotePort ?? 0 }
    inbound.handle({ pod: books.pod, source, acceptedOn: { ip: acceptedIp, port: HBONE_PORT }, socket })
  })
  await new Promise<void>((resolve) => server.listen(at.port, at.host, resolve))
  return {
    ...books,
    address: { ip: acceptedIp, port: (server.address() as AddressInfo).port },
    close: async () => {
      for (const socket of accepted) socket.destroy()
      await closed(server)
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await closed(server)
  return port
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
