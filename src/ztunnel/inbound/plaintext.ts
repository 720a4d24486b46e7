import { reasonOf } from '#shared/errors'
import { type Workload, workloadIdentity } from '#shared/model'
import { SocketPipe } from '#shared/net'
import type { CapturedConnection } from '../capture/index.ts'
import type { InboundConnectionRecord } from '../connections/index.ts'
import { copyOutcome, type OpenConnection, partyOf } from '../reporting/index.ts'
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

  async #deliver(
    { pod, accepted }: CapturedConnection,
    planned: DeliverPlan,
    connection: OpenConnection,
  ): Promise<void> {
    const pipe = new SocketPipe()
    const dial = { target: planned.dial, source: planned.sourceIp, onread: pipe.targetOnread }
    try {
      const target = await this.#options.dialer.connect(pod, dial, connection)
      connection.onCancelled = () => pipe.abort()
      if (connection.isCancelled) pipe.abort()
      connection.follow(pipe.meter)
      connection.ended(copyOutcome(await pipe.bind(accepted.adopt(pipe.openerOnread), target)))
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
  ): OpenConnection<InboundConnectionRecord> | undefined {
    const { pod, source, originalDestination } = captured
    const { view, network, reporter } = this.#options
    const client = view.workloadByIp(network, source.ip)
    const facts = { peer: undefined, source, destination: planned.target }
    return reporter.open({
      pod,
      startedMs,
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
