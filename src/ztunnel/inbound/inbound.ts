import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import {
  acceptTunnels,
  answerHeaders,
  endWhenHalfOpen,
  formatConnectTarget,
  HandshakeGate,
  headerValue,
  parseTraceparent,
  type Revocation,
  forwardedHost as readForwardedHost,
  type TunnelRequest,
  type TunnelServerConnection,
} from '#shared/hbone'
import type { H2Limits } from '#shared/http2'
import type { DrainOrder } from '#shared/lifecycle'
import type { MeshView } from '#shared/mesh-state'
import { type SpiffeId, type Workload, workloadIdentity } from '#shared/model'
import type { WorkloadCertificate } from '#shared/pki'
import type { Authorizer } from '../authz/index.ts'
import type { CapturedTunnel, LocalPod, PodWork } from '../capture/index.ts'
import type { InboundConnectionRecord } from '../connections/index.ts'
import type { PodDialer } from '../dial/index.ts'
import { type ConnectionReporter, copyOutcome, type OpenConnection, partyOf } from '../reporting/index.ts'
import { clientOf } from './client.ts'
import { localWorkload } from './local-workload.ts'
import { planTunnelled } from './plan.ts'
import { proxyHeader } from './proxy-header.ts'
import type { InboundPlan } from './types.ts'

export interface InboundOptions {
  readonly view: MeshView
  readonly clock: Clock
  readonly authorizer: Authorizer
  readonly dialer: PodDialer
  readonly reporter: ConnectionReporter
  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificateOf: (id: SpiffeId) => Promise<WorkloadCertificate>
  /** Differences from the engine's limits of a server. */
  readonly limits: Partial<H2Limits>
  /** The node's own network name, empty by default. */
  readonly network: string
  readonly ownPorts: ReadonlySet<number>
  /** An application behind the PROXY protocol is dialled on loopback. */
  readonly isAppTunnelOnLoopback: boolean
  /** Undefined = nothing is known of revoked certificates. */
  readonly revocation: Revocation | undefined
  /** Of tunnelled connections (`AMBIT_HALF_OPEN_TIMEOUT`); 0 = none. */
  readonly halfOpenTimeoutMs: number
  /** Baggage is read from clients outside the mesh, and sent with the answer. */
  readonly isBaggageUsed: boolean
}

type DeliverPlan = Extract<InboundPlan, { kind: 'deliver' }>

/** Where a connection came in. */
type Arrival = Pick<CapturedTunnel, 'pod' | 'source' | 'acceptedOn'>

/** A tunnel of a verified client to a pod; its streams are the connections. */
interface ServedTunnel {
  readonly captured: Arrival
  readonly workload: Workload
  /** Those that are open, to be ended when the client's certificate is revoked; undefined when nobody asks about that. */
  readonly connections: Set<OpenConnection> | undefined
}

/** Mesh → pod: the way of a tunnel, and of each connection in it (hbone-and-ztunnel e.3). */
export class Inbound {
  readonly #options: InboundOptions
  readonly #gate = new HandshakeGate()

  constructor(options: InboundOptions) {
    this.#options = options
  }

  /** Takes a tunnel connection over, to its end; never throws. */
  readonly handle = (captured: CapturedTunnel): void => {
    const { socket, pod } = captured
    let served: TunnelServerConnection | undefined
    let draining: DrainOrder | undefined
    const work: PodWork = {
      seat: -1,
      drain: (order) => {
        draining = order
        void served?.connection.drain(order)
      },
      cut: () => socket.destroy(),
    }
    pod.work.enter(work)
    const leave = (): void => pod.work.leave(work)
    this.#serve(captured, leave).then(
      (tunnel) => {
        served = tunnel
        if (tunnel === undefined) return leave()
        // The order came during the hand-shake.
        if (draining !== undefined) void tunnel.connection.drain(draining)
      },
      (error: unknown) => {
        this.#failedEarly(captured, reasonOf(error))
        socket.destroy()
        leave()
      },
    )
  }

  /** One CONNECT of another pod of this process, which needs no tunnel (`same-node`); never throws. */
  readonly handleDirect = (pod: LocalPod, request: TunnelRequest): void => {
    const captured = { pod, source: request.source, acceptedOn: request.acceptedOn }
    const workload = this.#options.view.localWorkload(pod.info)
    if (workload === undefined) {
      request.refuse(503)
      this.#failedEarly(captured, 'the workload of this pod has just gone')
    } else this.#take({ captured, workload, connections: undefined }, request)
  }

  /** Certificate first, then the hand-shake; a tunnel that gets neither is closed without a word. */
  async #serve(captured: CapturedTunnel, onClosed: () => void): Promise<TunnelServerConnection | undefined> {
    const { view, clock, certificateOf, limits, revocation } = this.#options
    const { socket, source, acceptedOn, pod } = captured
    const workload = await localWorkload(view, pod.info)
    const id = typeof workload === 'string' ? undefined : workloadIdentity(workload)
    if (typeof workload === 'string' || id === undefined) {
      this.#failedEarly(captured, typeof workload === 'string' ? workload : `workload ${workload.uid} has no identity`)
      socket.destroy()
      return undefined
    }
    const certificate = await certificateOf(id)
    const connections = revocation && new Set<OpenConnection>()
    const tunnel = await acceptTunnels(socket, {
      clock,
      certificate,
      source,
      acceptedOn,
      limits,
      gate: this.#gate,
      revocation,
      onTunnel: (request) => this.#take({ captured, workload, connections }, request),
      onMalformed: (reason) => this.#failedEarly(captured, reason),
      onClosed,
    })
    if (tunnel.chain === undefined || revocation === undefined) return tunnel
    const stopFollowing = revocation.follow(tunnel.chain, () => {
      for (const connection of [...(connections ?? [])]) connection.cut('certificate-revoked')
      socket.destroy()
    })
    socket.once('close', stopFollowing)
    return tunnel
  }

  /** One CONNECT. */
  #take(tunnel: ServedTunnel, request: TunnelRequest): void {
    this.#carry(tunnel, request).catch((error: unknown) => {
      this.#failedEarly(tunnel.captured, `internal error: ${reasonOf(error)}`)
      try {
        request.refuse(503)
      } catch {
        // It was answered already; its stream ends with its socket.
      }
    })
  }

  async #carry({ captured, workload: atAccept, connections }: ServedTunnel, request: TunnelRequest): Promise<void> {
    const { view, clock, network, ownPorts, isAppTunnelOnLoopback, authorizer } = this.#options
    const { pod, source, acceptedOn } = captured
    const startedMs = clock.monotonicMs()
    const workload = view.localWorkload(pod.info) ?? atAccept
    const forwardedHost = readForwardedHost(headerValue(request.headers, 'forwarded'))
    const planned = planTunnelled(view, {
      workload,
      network,
      source,
      acceptedOn,
      target: request.target,
      forwardedHost,
      ownPorts,
      isAppTunnelOnLoopback,
    })
    if (planned.kind === 'refuse') {
      request.refuse(planned.status)
      return this.#failedEarly(captured, planned.reason)
    }

    const connection = this.#open({ captured, workload }, request, planned, { startedMs, forwardedHost })
    if (connection === undefined) {
      request.refuse(503)
      return this.#failedEarly(captured, 'too many connections')
    }
    const verdict = authorizer.authorize(workload, connection.record.facts)
    if (verdict.kind === 'denied') {
      request.refuse(401)
      return connection.ended({ error: verdict.reason, flag: 'DENY', deniedBy: verdict.deniedBy })
    }
    connections?.add(connection)
    try {
      await this.#deliver({ captured, workload }, request, planned, connection)
    } finally {
      connections?.delete(connection)
    }
  }

  /** Application socket first, then 200. */
  async #deliver(
    { captured, workload }: Pick<ServedTunnel, 'captured' | 'workload'>,
    request: TunnelRequest,
    planned: DeliverPlan,
    connection: OpenConnection,
  ): Promise<void> {
    const { dialer, clock, isBaggageUsed, halfOpenTimeoutMs } = this.#options
    const { dial, sourceIp, proxiedDestination } = planned
    const wanted = { target: dial, source: sourceIp, isToPodItself: true, onread: request.onread }
    const dialled = await dialer.connect(captured.pod, wanted, connection, request).then(
      (socket) => ({ socket }),
      (error: unknown) => ({ error }),
    )
    if ('error' in dialled) {
      request.refuse(503)
      return connection.ended({ error: `connection failed: ${reasonOf(dialled.error)}`, flag: 'CONNECT' })
    }
    const { socket } = dialled
    if (proxiedDestination !== undefined) {
      socket.write(proxyHeader({ source: captured.source, destination: proxiedDestination, peer: request.peer }))
    }
    const pump = request.accept(isBaggageUsed ? answerHeaders(workload) : [])
    connection.follow(pump.meter)
    const copied = pump.bind(socket)
    connection.onCancelled = () => pump.abort()
    if (connection.isCancelled) pump.abort()
    const stop = halfOpenTimeoutMs > 0 ? endWhenHalfOpen(pump, clock, halfOpenTimeoutMs) : undefined
    const outcome = copyOutcome(await copied)
    stop?.()
    connection.ended(outcome)
  }

  #open(
    { captured, workload }: Pick<ServedTunnel, 'captured' | 'workload'>,
    request: TunnelRequest,
    planned: DeliverPlan,
    about: { readonly startedMs: number; readonly forwardedHost: string | undefined },
  ): OpenConnection<InboundConnectionRecord> | undefined {
    const { view, network, isBaggageUsed, reporter } = this.#options
    const { pod, source, acceptedOn } = captured
    const { peer, headers, target } = request
    const client = clientOf(view, { source, peer, headers, network, isBaggageRead: isBaggageUsed })
    const identity = workloadIdentity(workload)
    return reporter.open({
      pod,
      startedMs: about.startedMs,
      record: {
        direction: 'inbound',
        podUid: pod.uid,
        source,
        originalDestination: about.forwardedHost,
        actualDestination: planned.target,
        protocol: 'HBONE',
        peer,
        facts: { peer, source, destination: planned.target },
        workload,
      },
      subject: {
        source: client.party,
        destination: partyOf(acceptedOn, workload, identity),
        hboneAddress: formatConnectTarget(target),
        service: planned.service?.hostname,
        direction: 'inbound',
        traceId: parseTraceparent(headerValue(headers, 'traceparent'))?.traceId,
      },
      labels: {
        reporter: 'destination',
        source: client.labels,
        sourcePrincipal: peer,
        destination: workload,
        destinationPrincipal: identity,
        service: planned.service,
        isMutualTls: true,
      },
    })
  }

  /** Before its request was built. */
  #failedEarly({ source, acceptedOn }: Arrival, error: string): void {
    this.#options.reporter.failedEarly({ source, destination: acceptedOn, direction: 'inbound', error })
  }
}
