import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { newTraceparent } from '#shared/hbone'
import type { MeshView } from '#shared/mesh-state'
import { type SpiffeId, serviceKey, type Workload, workloadIdentity } from '#shared/model'
import type { Logger } from '#shared/telemetry'
import type { AcceptedSocket, CapturedConnection, LocalPod } from '../capture/index.ts'
import { type ConnectionReporter, copyOutcome, type OpenConnection } from '../reporting/index.ts'
import { DirectRequest, type LocalDestination, type SameNode } from '../same-node/index.ts'
import { type Estate, InheritedSocket, leavePipe } from '../succession/index.ts'
import { Attempt, hasAlternatives, isAlternative, maybeElsewhere, RETRY_WINDOW_MS } from './attempt.ts'
import { outboundFailure } from './failure.ts'
import type { HostnameResolver } from './hostname-resolver.ts'
import { EndpointLoad } from './load.ts'
import { type Leaving, openingOf } from './opening.ts'
import { plan, planResolved } from './plan.ts'
import { Reach, type Reached, type ReachOptions } from './reach.ts'
import type { OutboundPlan, OutboundRequest, ReachingPlan, SettledPlan } from './types.ts'
import { unknownNames } from './unknown-names.ts'

export interface OutboundOptions extends ReachOptions {
  readonly view: MeshView
  readonly clock: Clock
  readonly logger: Logger
  readonly reporter: ConnectionReporter
  readonly resolver: HostnameResolver
  readonly ownPorts: ReadonlySet<number>
  readonly hbonePort: number
  /** Further endpoints that are tried when one cannot be reached (`AMBIT_CONNECT_RETRIES`). */
  readonly connectRetries: number
  /** How one of several equally good endpoints is picked (`AMBIT_LB`). */
  readonly loadBalancing: 'random' | 'least-request'
  /** Hands connections between pods of this process over without a tunnel; undefined = always by tunnel. */
  readonly sameNode?: {
    readonly pods: SameNode
    readonly deliver: (pod: LocalPod, request: DirectRequest) => void
  }
  /**
   * Asks the control plane for resources by name, when it sends none unasked; resolves when it has answered.
   * @throws MeshError `XDS_STREAM_LOST`
   */
  readonly askFor?: (names: readonly string[]) => Promise<void>
}

/** From one pod of this process to another. */
interface DirectWay {
  readonly planned: Extract<ReachingPlan, { kind: 'tunnel' }>
  readonly source: SpiffeId
  readonly destination: LocalDestination
}

/** How long a pod's own workload may take to arrive from the control plane. */
const WORKLOAD_TIMEOUT_MS = 5000

/** A destination, then its waypoint, then the gateway of either. */
const LOOK_UP_ROUNDS = 3

/** Pod → mesh: the way of a connection that a pod opened (hbone-and-ztunnel e.1). */
export class Outbound {
  readonly #options: OutboundOptions
  readonly #reach: Reach
  readonly #load: EndpointLoad | undefined
  readonly #random = (): number => this.#options.clock.random()

  constructor(options: OutboundOptions) {
    this.#options = options
    this.#reach = new Reach(options)
    this.#load = options.loadBalancing === 'least-request' ? new EndpointLoad() : undefined
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
    const { askFor } = this.#options
    const ignorance = askFor && (await this.#learn(request, askFor))
    if (ignorance !== undefined) return this.#refuse(captured, ignorance)
    // Each await costs a promise and a turn, which most connections have no use for.
    const drawn = this.#plan(request)
    const planned = drawn instanceof Promise ? await drawn : drawn
    if (planned.kind === 'refuse') return this.#refuse(captured, planned.reason)
    if (planned.kind !== 'passthrough' && workloadIdentity(workload) === undefined) {
      return this.#refuse(captured, `workload ${workload.uid} has no identity`)
    }
    const leaving = { captured, workload, startedMs, traceparent: newTraceparent(clock) }
    const local = this.#sameNode(planned, workload)
    if (local !== undefined && (await this.#isProven(local))) return this.#direct(leaving, local)
    const isTriedFirst = this.#options.connectRetries > 0 && hasAlternatives(view, planned)
    return isTriedFirst ? this.#tryInTurn(leaving, request, planned) : this.#connect(leaving, planned)
  }

  /** On demand: the destination, then the waypoint and gateway that it names. Returns why the mesh could not be asked. */
  async #learn(
    request: OutboundRequest,
    askFor: (names: readonly string[]) => Promise<void>,
  ): Promise<string | undefined> {
    const { view } = this.#options
    const asked = new Set<string>()
    try {
      for (let round = 0; round < LOOK_UP_ROUNDS; round++) {
        const names = unknownNames(view, request).filter((name) => !asked.has(name))
        if (names.length === 0) break
        await askFor(names)
        for (const name of names) asked.add(name)
      }
      return undefined
    } catch (error) {
      return reasonOf(error)
    }
  }

  /** @param avoided endpoints that have failed this connection */
  #plan(request: OutboundRequest, avoided?: ReadonlySet<string>): SettledPlan | Promise<SettledPlan> {
    const choice = { random: this.#random, avoided, loadOf: this.#load?.of }
    const planned = plan(this.#options.view, request, choice)
    return planned.kind === 'resolve' ? this.#resolved(request.workload, planned) : planned
  }

  /** Looks up a next hop that has a host name only. */
  async #resolved(source: Workload, planned: Extract<OutboundPlan, { kind: 'resolve' }>): Promise<SettledPlan> {
    this.#options.reporter.lookedUp(source, planned.hostname)
    try {
      const ip = await this.#options.resolver.resolve(planned.hostname, planned.families)
      return planResolved(planned.unresolved, ip)
    } catch (error) {
      return { kind: 'refuse', reason: reasonOf(error) }
    }
  }

  /** The destination when it is a pod of this process. */
  #sameNode(planned: ReachingPlan, workload: Workload): DirectWay | undefined {
    const { sameNode } = this.#options
    const source = workloadIdentity(workload)
    if (sameNode === undefined || planned.kind !== 'tunnel' || planned.hop !== 'endpoint') return undefined
    if (source === undefined) return undefined
    const found = sameNode.pods.find(planned.destination.workload, planned.peer, source, planned.acceptedPeers)
    return found && { planned, source, destination: found }
  }

  /** Whether both ends can prove who they are; if not, the tunnel fails for the same reason, and says so. */
  async #isProven({ source, destination }: DirectWay): Promise<boolean> {
    const { certificateOf } = this.#options
    try {
      await certificateOf(source)
      await certificateOf(destination.identity)
      return true
    } catch {
      return false
    }
  }

  async #direct(leaving: Leaving, { planned, source, destination }: DirectWay): Promise<void> {
    const { captured } = leaving
    const connection = this.#open(leaving, planned)
    if (connection === undefined) return
    const { headers } = this.#reach.requestOf(planned, leaving)
    const { authority: target, peer: acceptedOn } = planned
    const facts = { peer: source, source: captured.source, acceptedOn, target, headers }
    const request = new DirectRequest(facts, captured.accepted)
    connection.onCancelled = () => request.cancel()
    connection.follow(request.meter)
    if (connection.isCancelled) request.cancel()
    this.#load?.enter(uidOf(planned))
    this.#options.sameNode?.deliver(destination.pod, request)
    try {
      connection.ended(copyOutcome(await request.copied))
    } catch (error) {
      this.#end(leaving, connection, error)
    } finally {
      this.#load?.leave(uidOf(planned))
    }
  }

  /** One endpoint after the other until one is there. Only the last one is told of, as if it had been the first. */
  async #tryInTurn(leaving: Leaving, request: OutboundRequest, first: ReachingPlan): Promise<void> {
    const { clock, connectRetries, logger } = this.#options
    const { pod } = leaving.captured
    const attempt = new Attempt()
    const failed = new Set<string>()
    let planned = first
    pod.work.enter(attempt)
    try {
      for (let left = connectRetries; ; left--) {
        const uid = uidOf(planned)
        this.#load?.enter(uid)
        const tried = await this.#reach.to(planned, leaving, attempt).then(
          (reached) => ({ reached }),
          (error: unknown) => ({ error }),
        )
        if ('reached' in tried) return this.#carryOn(leaving, planned, attempt, tried.reached)
        this.#load?.leave(uid)
        const { error } = tried
        const isOver = left === 0 || clock.monotonicMs() - leaving.startedMs >= RETRY_WINDOW_MS
        if (isOver || attempt.isCancelled || !maybeElsewhere(error)) {
          return this.#failed(leaving, planned, attempt, error)
        }
        failed.add(uid)
        const next = await this.#plan(request, failed)
        if (!isAlternative(next, failed)) return this.#failed(leaving, planned, attempt, error)
        logger.debug('endpoint cannot be reached, another one is tried', { error: reasonOf(error), left })
        planned = next
      }
    } finally {
      pod.work.leave(attempt)
    }
  }

  async #connect(leaving: Leaving, planned: ReachingPlan): Promise<void> {
    const connection = this.#open(leaving, planned)
    if (connection === undefined) return
    this.#load?.enter(uidOf(planned))
    try {
      const reached = await this.#reach.to(planned, leaving, connection)
      this.#letLeave(leaving, planned, connection, reached)
      await join(leaving.captured.accepted, connection, reached)
    } catch (error) {
      this.#end(leaving, connection, error)
    } finally {
      this.#load?.leave(uidOf(planned))
    }
  }

  /**
   * Goes on with a connection that was passed through by the tunnel that was here before.
   *
   * @param fds of the captured socket and of the one to its target, taken over
   * @returns false, and leaves both alone, when it cannot
   */
  resume(pod: LocalPod, estate: Estate, fds: { readonly opener: number; readonly target: number }): boolean {
    const { view, clock } = this.#options
    const workload = view.localWorkload(pod.info)
    if (workload === undefined) return false
    const { source, originalDestination, target, elapsedMs, sentBytes, receivedBytes } = estate
    const service = estate.serviceKey === undefined ? undefined : view.serviceByKey(estate.serviceKey)
    const destination = {
      service,
      servicePort: service === undefined ? undefined : originalDestination.port,
      workload: estate.workloadUid === undefined ? undefined : view.workloadByUid(estate.workloadUid),
    }
    const leaving: Leaving = {
      captured: { pod, source, originalDestination, accepted: new InheritedSocket(fds.opener) },
      workload,
      startedMs: clock.monotonicMs() - elapsedMs,
      traceparent: newTraceparent(clock),
      earlier: { sentBytes, receivedBytes },
    }
    const planned: ReachingPlan = { kind: 'passthrough', target, destination, hopService: undefined }
    const connection = this.#options.reporter.open(openingOf(leaving, planned, undefined))
    if (connection === undefined) return false
    const reached = this.#reach.inherited(fds.target)
    this.#letLeave(leaving, planned, connection, reached)
    void join(leaving.captured.accepted, connection, reached)
    return true
  }

  /** Plain sockets can go on in the tunnel that takes this one's place. */
  #letLeave(leaving: Leaving, planned: ReachingPlan, connection: OpenConnection, { pipe }: Reached): void {
    if (pipe === undefined || planned.kind !== 'passthrough') return
    const { captured, earlier } = leaving
    const { pod, source, originalDestination } = captured
    const { target, destination } = planned
    const { clock } = this.#options
    connection.onLeave = (successor, elapsedMs) => {
      const workloadUid = destination.workload?.uid
      const key = destination.service && serviceKey(destination.service)
      const addresses = { source, originalDestination, target }
      const facts = { way: 'outbound', podUid: pod.uid, ...addresses, workloadUid, serviceKey: key } as const
      void leavePipe(pipe, { successor, clock }, { ...facts, elapsedMs, earlier })
    }
  }

  /** The books of a connection that is made already; its bytes flow from now on, and nobody waits for them. */
  #carryOn(leaving: Leaving, planned: ReachingPlan, attempt: Attempt, reached: Reached): void {
    const connection = this.#open(leaving, planned)
    if (connection === undefined) {
      this.#load?.leave(uidOf(planned))
      reached.abort()
      return
    }
    if (attempt.cutBy !== undefined) connection.cut(attempt.cutBy)
    this.#letLeave(leaving, planned, connection, reached)
    join(leaving.captured.accepted, connection, reached)
      .catch((error: unknown) => this.#end(leaving, connection, error))
      .finally(() => this.#load?.leave(uidOf(planned)))
  }

  #failed(leaving: Leaving, planned: ReachingPlan, attempt: Attempt, error: unknown): void {
    const connection = this.#open(leaving, planned)
    if (connection === undefined) return
    if (attempt.cutBy !== undefined) connection.cut(attempt.cutBy)
    this.#end(leaving, connection, error)
  }

  /** Undefined when there are too many connections: it has been turned away then. */
  #open(leaving: Leaving, planned: ReachingPlan): OpenConnection | undefined {
    const isTunnel = planned.kind !== 'passthrough'
    const identity: SpiffeId | undefined = isTunnel ? workloadIdentity(leaving.workload) : undefined
    const connection = this.#options.reporter.open(openingOf(leaving, planned, identity))
    if (connection === undefined) this.#refuse(leaving.captured, 'too many connections')
    return connection
  }

  /** A connection that was not made. */
  #end({ captured }: Leaving, connection: OpenConnection, error: unknown): void {
    turnAway(captured.accepted, connection)
    connection.ended(outboundFailure(error, this.#options.hbonePort))
  }

  /** Before its request was built: one line, no counters. */
  #refuse({ accepted, source, originalDestination }: CapturedConnection, error: string): void {
    this.#options.reporter.failedEarly({ source, destination: originalDestination, direction: 'outbound', error })
    accepted.close()
  }
}

async function join(accepted: AcceptedSocket, connection: OpenConnection, reached: Reached): Promise<void> {
  connection.onCancelled = () => reached.abort()
  connection.follow(reached.meter)
  const stopFollowing = reached.onRevoked(() => connection.cut('certificate-revoked'))
  const copied = reached.carry(accepted)
  if (connection.isCancelled) reached.abort()
  const result = await copied
  stopFollowing()
  if (result.endedBy === 'detached') connection.left()
  else connection.ended(copyOutcome(result))
}

function uidOf({ destination }: ReachingPlan): string {
  return destination.workload?.uid ?? ''
}

/** What the application sees of a connection that was not made: refused; or closed, when it is we who ended it. */
function turnAway(accepted: AcceptedSocket, connection: OpenConnection): void {
  if (connection.closedBy === undefined) accepted.reset()
  else accepted.close()
}
