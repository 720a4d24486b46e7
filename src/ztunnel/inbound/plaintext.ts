import type { Socket } from 'node:net'
import { reasonOf } from '#shared/errors'
import { type Workload, workloadIdentity } from '#shared/model'
import { type ByteMeter, SocketPipe, socketOfDescriptor } from '#shared/net'
import type { CapturedConnection, LocalPod } from '../capture/index.ts'
import type { InboundConnectionRecord } from '../connections/index.ts'
import { copyOutcome, type OpenConnection, partyOf } from '../reporting/index.ts'
import { type Estate, InheritedSocket, leavePipe } from '../succession/index.ts'
import type { InboundOptions } from './inbound.ts'
import { localWorkload } from './local-workload.ts'
import { planPlaintext } from './plan.ts'
import type { InboundPlan } from './types.ts'

type DeliverPlan = Extract<InboundPlan, { kind: 'deliver' }>

/** Plain TCP → pod: the way of a connection that came without a tunnel (hbone-and-ztunnel e.4). */
export class PlaintextInbound {
  readonly #options: InboundOptions

  constructor(options: InboundOptions) {
    this.#options = options
  }

  /** Takes a connection over, to its end; never throws. */
  readonly handle = (captured: CapturedConnection): void => {
    this.#carry(captured).catch((error: unknown) => this.#refuse(captured, `internal error: ${reasonOf(error)}`))
  }

  async #carry(captured: CapturedConnection): Promise<void> {
    const { view, clock, ownPorts } = this.#options
    const { pod, source, originalDestination } = captured
    const startedMs = clock.monotonicMs()
    const workload = await localWorkload(view, pod.info)
    if (typeof workload === 'string') return this.#refuse(captured, workload)
    const planned = planPlaintext(view, { workload, source, originalDestination, ownPorts })
    if (planned.kind === 'refuse') return this.#refuse(captured, planned.reason)

    const connection = this.#open(captured, workload, planned, startedMs)
    if (connection === undefined) return this.#refuse(captured, 'too many connections')
    const verdict = this.#options.authorizer.authorize(workload, connection.record.facts)
    if (verdict.kind === 'denied') {
      captured.accepted.close()
      return connection.ended({ error: verdict.reason, flag: 'DENY', deniedBy: verdict.deniedBy })
    }
    return this.#deliver(captured, planned, connection)
  }

  /**
   * Goes on with a connection that was taken by the tunnel that was here before, if policy still has nothing against it.
   *
   * @param fds of the captured socket and of the one to the application, taken over
   * @returns false, and leaves both alone, when it cannot
   */
  resume(pod: LocalPod, estate: Estate, fds: { readonly opener: number; readonly target: number }): boolean {
    const { view, clock, ownPorts, authorizer } = this.#options
    const workload = view.localWorkload(pod.info)
    if (workload === undefined) return false
    const { source, originalDestination, elapsedMs, sentBytes, receivedBytes } = estate
    const planned = planPlaintext(view, { workload, source, originalDestination, ownPorts })
    if (planned.kind === 'refuse') return false
    const captured = { pod, source, originalDestination, accepted: new InheritedSocket(fds.opener) }
    const startedMs = clock.monotonicMs() - elapsedMs
    const connection = this.#open(captured, workload, planned, startedMs, { sentBytes, receivedBytes })
    if (connection === undefined) return false
    const pipe = new SocketPipe()
    const target = socketOfDescriptor(fds.target, pipe.targetOnread)
    const verdict = authorizer.authorize(workload, connection.record.facts)
    if (verdict.kind === 'denied') connection.cut('policy-change')
    void this.#copy(captured, pipe, target, connection, { sentBytes, receivedBytes })
    return true
  }

  /** Until both ways are done, or until the tunnel that takes this one's place goes on with it. */
  async #copy(
    { pod, source, originalDestination, accepted }: CapturedConnection,
    pipe: SocketPipe,
    target: Socket,
    connection: OpenConnection,
    earlier?: Readonly<ByteMeter>,
  ): Promise<void> {
    const { clock } = this.#options
    connection.onCancelled = () => pipe.abort()
    connection.onLeave = (successor, elapsedMs) => {
      const addresses = { source, originalDestination, target: connection.record.actualDestination }
      const facts = {
        way: 'plaintext',
        podUid: pod.uid,
        ...addresses,
        workloadUid: undefined,
        serviceKey: undefined,
      } as const
      void leavePipe(pipe, { successor, clock }, { ...facts, elapsedMs, earlier })
    }
    if (connection.isCancelled) pipe.abort()
    connection.follow(pipe.meter)
    const result = await pipe.bind(accepted.adopt(pipe.openerOnread), target)
    if (result.endedBy === 'detached') connection.left()
    else connection.ended(copyOutcome(result))
  }

  async #deliver(captured: CapturedConnection, planned: DeliverPlan, connection: OpenConnection): Promise<void> {
    const { pod, accepted } = captured
    const pipe = new SocketPipe()
    const dial = { target: planned.dial, source: planned.sourceIp, isToPodItself: true, onread: pipe.targetOnread }
    try {
      const target = await this.#options.dialer.connect(pod, dial, connection)
      await this.#copy(captured, pipe, target, connection)
    } catch (error) {
      // The application's own refusal is passed on as one; what we cut ends in good order.
      if (connection.closedBy === undefined) accepted.reset()
      else accepted.close()
      connection.ended({ error: `connection failed: ${reasonOf(error)}`, flag: 'CONNECT' })
    }
  }

  #open(
    captured: CapturedConnection,
    workload: Workload,
    planned: DeliverPlan,
    startedMs: number,
    earlier?: Readonly<ByteMeter>,
  ): OpenConnection<InboundConnectionRecord> | undefined {
    const { pod, source, originalDestination } = captured
    const { view, network, reporter } = this.#options
    const client = view.workloadByIp(network, source.ip)
    const facts = { peer: undefined, source, destination: planned.target }
    return reporter.open({
      pod,
      startedMs,
      earlier,
      record: {
        direction: 'inbound',
        podUid: pod.uid,
        source,
        originalDestination: undefined,
        actualDestination: planned.target,
        protocol: 'TCP',
        peer: undefined,
        facts,
        workload,
      },
      subject: {
        source: partyOf(source, client, undefined),
        destination: partyOf(originalDestination, workload, undefined),
        hboneAddress: undefined,
        service: planned.service?.hostname,
        direction: 'inbound',
      },
      labels: {
        reporter: 'destination',
        source: client,
        sourcePrincipal: undefined,
        destination: workload,
        destinationPrincipal: workloadIdentity(workload),
        service: planned.service,
        isMutualTls: false,
      },
    })
  }

  #refuse({ accepted, source, originalDestination }: CapturedConnection, error: string): void {
    this.#options.reporter.failedEarly({ source, destination: originalDestination, direction: 'inbound', error })
    accepted.close()
  }
}
