import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { connectHeaders, formatConnectTarget, newTraceparent, type Traceparent, type TunnelPool } from '#shared/hbone'
import { type SpiffeId, type Workload, workloadIdentity } from '#shared/model'
import { type SocketAddress, SocketPipe } from '#shared/net'
import type { WorkloadCertificate } from '#shared/pki'
import type { AcceptedSocket, CapturedConnection, LocalPod } from '../capture/index.ts'
import type { PodDialer } from '../dial/index.ts'
import { type ConnectionReporter, copyOutcome, type OpenConnection, partyOf } from '../reporting/index.ts'
import { DirectRequest, type LocalDestination, type SameNode } from '../same-node/index.ts'
import type { MeshView } from '../state/index.ts'
import { outboundFailure } from './failure.ts'
import type { HostnameResolver } from './hostname-resolver.ts'
import { plan, planResolved } from './plan.ts'
import type { OutboundPlan, OutboundRequest, SettledPlan } from './types.ts'
import { unknownNames } from './unknown-names.ts'

export interface OutboundOptions {
  readonly view: MeshView
  readonly clock: Clock
  /** Tunnels of one pod; none is shared between pods. */
  readonly createPool: () => TunnelPool
  readonly dialer: PodDialer
  readonly reporter: ConnectionReporter
  readonly resolver: HostnameResolver
  /** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
  readonly certificateOf: (id: SpiffeId) => Promise<WorkloadCertificate>
  /** The node's own network name, empty by default. */
  readonly network: string
  readonly ownPorts: ReadonlySet<number>
  readonly hbonePort: number
  /**
   * Asks the control plane for resources by name, when it sends none unasked; resolves when it has answered.
   * @throws MeshError `XDS_STREAM_LOST`
   */
  readonly askFor?: (names: readonly string[]) => Promise<void>
  /** Hands connections between pods of this process over without a tunnel; undefined = always by tunnel. */
  readonly sameNode?: {
    readonly pods: SameNode
    readonly deliver: (pod: LocalPod, request: DirectRequest) => void
  }
}

type TunnelPlan = Extract<OutboundPlan, { kind: 'tunnel' }>
type PassthroughPlan = Extract<OutboundPlan, { kind: 'passthrough' }>

/** A captured connection on its way, and when it came. */
interface Leaving {
  readonly captured: CapturedConnection
  readonly workload: Workload
  readonly startedMs: number
}

/** A connection that goes by tunnel, or as if it did. */
interface Tunnelling {
  readonly leaving: Leaving
  readonly planned: TunnelPlan
  /** Who its pod is. */
  readonly source: SpiffeId
  readonly traceparent: Traceparent
}

/** How long a pod's own workload may take to arrive from the control plane. */
const WORKLOAD_TIMEOUT_MS = 5000

/** A destination, then its waypoint. */
const LOOK_UP_ROUNDS = 2

/** Pod → mesh: the way of a connection that a pod opened (hbone-and-ztunnel e.1). */
export class Outbound {
  readonly #options: OutboundOptions
  readonly #pools = new WeakMap<LocalPod, TunnelPool>()

  constructor(options: OutboundOptions) {
    this.#options = options
  }

  /** Takes a connection over, to its end; never throws. */
  readonly handle = (captured: CapturedConnection): void => {
    this.#carry(captured).catch((error: unknown) => this.#refuse(captured, `internal error: ${reasonOf(error)}`))
  }

  async #carry(captured: CapturedConnection): Promise<void> {
    const { view, clock, network, ownPorts } = this.#options
    const startedMs = clock.monotonicMs()
    const { info } = captured.pod
    const workload = view.localWorkload(info) ?? (await view.waitForLocalWorkload(info, WORKLOAD_TIMEOUT_MS))
    if (workload === undefined) {
      const who = `${info.serviceAccount}.${info.namespace} (${info.name})`
      return this.#refuse(captured, `failed to fetch information about local workload: ${who}`)
    }
    const { source, originalDestination } = captured
    const request = { workload, source, originalDestination, network, ownPorts }
    const ignorance = await this.#learn(request)
    if (ignorance !== undefined) return this.#refuse(captured, ignorance)
    const planned = await this.#resolved(
      workload,
      plan(view, request, () => clock.random()),
    )
    switch (planned.kind) {
      case 'tunnel':
        return this.#tunnel({ captured, workload, startedMs }, planned)
      case 'passthrough':
        return this.#passThrough({ captured, workload, startedMs }, planned)
      case 'refuse':
        return this.#refuse(captured, planned.reason)
    }
  }

  /** On demand: the destination, then the waypoint that it names. Returns why the mesh could not be asked. */
  async #learn(request: OutboundRequest): Promise<string | undefined> {
    const { view, askFor } = this.#options
    if (askFor === undefined) return undefined
    try {
      for (let round = 0; round < LOOK_UP_ROUNDS; round++) {
        const names = unknownNames(view, request)
        if (names.length === 0) break
        await askFor(names)
      }
      return undefined
    } catch (error) {
      return reasonOf(error)
    }
  }

  /** Looks up a next hop that has a host name only. */
  async #resolved(source: Workload, planned: OutboundPlan): Promise<SettledPlan> {
    if (planned.kind !== 'resolve') return planned
    this.#options.reporter.lookedUp(source, planned.hostname)
    try {
      const ip = await this.#options.resolver.resolve(planned.hostname, planned.families)
      return planResolved(planned.unresolved, ip)
    } catch (error) {
      return { kind: 'refuse', reason: reasonOf(error) }
    }
  }

  async #tunnel(leaving: Leaving, planned: TunnelPlan): Promise<void> {
    const { dialer, clock, certificateOf, hbonePort } = this.#options
    const { captured, workload } = leaving
    const source = workloadIdentity(workload)
    if (source === undefined) return this.#refuse(captured, `workload ${workload.uid} has no identity`)
    const traceparent = newTraceparent(clock)
    const local = await this.#sameNode(planned, source)
    if (local !== undefined) return this.#direct({ leaving, planned, source, traceparent }, local)
    const connection = this.#open(leaving, planned, source, traceparent)
    if (connection === undefined) return this.#refuse(captured, 'too many connections')
    const headers = connectHeaders({
      workload,
      source: captured.source,
      serviceHostname: planned.destination.service?.hostname,
      traceparent,
    })
    const key = {
      source,
      acceptedPeers: planned.acceptedPeers,
      destination: planned.peer,
      sourceIp: captured.source.ip,
    }
    const tunnelDialer = {
      dial: () => dialer.start(captured.pod, { target: planned.peer }),
      certificate: () => certificateOf(source),
    }
    try {
      const pool = this.#poolOf(captured.pod)
      const request = { authority: planned.authority, headers }
      const { pump } = await pool.connect(key, tunnelDialer, request, connection)
      connection.onCancelled = () => pump.abort()
      connection.follow(pump.meter)
      const copied = pump.bind(captured.accepted.adopt(pump.onread))
      if (connection.isCancelled) pump.abort()
      connection.ended(copyOutcome(await copied))
    } catch (error) {
      turnAway(captured.accepted, connection)
      connection.ended(outboundFailure(error, hbonePort))
    }
  }

  /** The destination when it is a pod of this process, and both ends can prove who they are. */
  async #sameNode(planned: TunnelPlan, source: SpiffeId): Promise<LocalDestination | undefined> {
    const { sameNode, certificateOf } = this.#options
    const { workload } = planned.destination
    if (sameNode === undefined || planned.hop !== 'endpoint' || workload === undefined) return undefined
    const found = sameNode.pods.find(workload, planned.peer, source, planned.acceptedPeers)
    if (found === undefined) return undefined
    try {
      await certificateOf(source)
      await certificateOf(found.identity)
      return found
    } catch {
      // The tunnel fails for the same reason, and says so.
      return undefined
    }
  }

  async #direct({ leaving, planned, source, traceparent }: Tunnelling, { pod }: LocalDestination): Promise<void> {
    const { sameNode, hbonePort } = this.#options
    const { captured, workload } = leaving
    const connection = this.#open(leaving, planned, source, traceparent)
    if (connection === undefined) return this.#refuse(captured, 'too many connections')
    const headers = connectHeaders({
      workload,
      source: captured.source,
      serviceHostname: planned.destination.service?.hostname,
      traceparent,
    })
    const { authority: target, peer: acceptedOn } = planned
    const facts = { peer: source, source: captured.source, acceptedOn, target, headers }
    const request = new DirectRequest(facts, captured.accepted)
    connection.onCancelled = () => request.cancel()
    connection.follow(request.meter)
    if (connection.isCancelled) request.cancel()
    sameNode?.deliver(pod, request)
    try {
      connection.ended(copyOutcome(await request.copied))
    } catch (error) {
      turnAway(captured.accepted, connection)
      connection.ended(outboundFailure(error, hbonePort))
    }
  }

  async #passThrough(leaving: Leaving, planned: PassthroughPlan): Promise<void> {
    const { dialer, hbonePort } = this.#options
    const { captured } = leaving
    const connection = this.#open(leaving, planned, undefined, undefined)
    if (connection === undefined) return this.#refuse(captured, 'too many connections')
    const pipe = new SocketPipe()
    try {
      const dial = { target: planned.target, onread: pipe.targetOnread }
      const target = await dialer.connect(captured.pod, dial, connection)
      connection.onCancelled = () => pipe.abort()
      connection.follow(pipe.meter)
      const copied = pipe.bind(captured.accepted.adopt(pipe.openerOnread), target)
      if (connection.isCancelled) pipe.abort()
      connection.ended(copyOutcome(await copied))
    } catch (error) {
      turnAway(captured.accepted, connection)
      connection.ended(outboundFailure(error, hbonePort))
    }
  }

  /**
   * @param identity the pod's own, when it is proven to the next hop
   * @param trace what the next hop is told, when it is a tunnel
   */
  #open(
    { captured, workload, startedMs }: Leaving,
    planned: TunnelPlan | PassthroughPlan,
    identity: SpiffeId | undefined,
    trace: Traceparent | undefined,
  ): OpenConnection | undefined {
    const { source, originalDestination, pod } = captured
    const { destination } = planned
    const isTunnel = planned.kind === 'tunnel'
    const nextHop: SocketAddress = isTunnel ? planned.peer : planned.target
    const peer = destination.workload && workloadIdentity(destination.workload)
    return this.#options.reporter.open({
      pod,
      startedMs,
      record: {
        direction: 'outbound',
        podUid: pod.uid,
        source,
        originalDestination,
        actualDestination: nextHop,
        protocol: isTunnel ? 'HBONE' : 'TCP',
        peer: isTunnel ? peer : undefined,
      },
      subject: {
        source: partyOf(source, workload, identity),
        destination: partyOf(nextHop, destination.workload, isTunnel ? peer : undefined),
        hboneAddress: isTunnel ? formatConnectTarget(planned.authority) : undefined,
        service: destination.service?.hostname,
        direction: 'outbound',
        traceId: trace?.traceId,
      },
      labels: {
        reporter: 'source',
        source: workload,
        sourcePrincipal: identity,
        destination: destination.workload,
        destinationPrincipal: peer,
        service: destination.service,
        isMutualTls: isTunnel,
      },
    })
  }

  #poolOf(pod: LocalPod): TunnelPool {
    const known = this.#pools.get(pod)
    if (known !== undefined) return known
    const pool = this.#options.createPool()
    this.#pools.set(pod, pool)
    pod.belongings.push(pool)
    return pool
  }

  /** Before its request was built. */
  #refuse({ accepted, source, originalDestination }: CapturedConnection, error: string): void {
    this.#options.reporter.failedEarly({ source, destination: originalDestination, direction: 'outbound', error })
    accepted.close()
  }
}

/** What the application sees of a connection that was not made: refused; or closed, when it is we who ended it. */
function turnAway(accepted: AcceptedSocket, connection: OpenConnection): void {
  if (connection.closedBy === undefined) accepted.reset()
  else accepted.close()
}
