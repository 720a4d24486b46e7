import { formatConnectTarget, type Traceparent } from '#shared/hbone'
import { type SpiffeId, type Workload, workloadIdentity } from '#shared/model'
import type { ByteMeter } from '#shared/net'
import type { CapturedConnection } from '../capture/index.ts'
import type { OutboundConnectionRecord } from '../connections/index.ts'
import { type Opening, partyOf } from '../reporting/index.ts'
import type { ReachingPlan } from './types.ts'

/** A captured connection on its way, and when it came. */
export interface Leaving {
  readonly captured: CapturedConnection
  readonly workload: Workload
  readonly startedMs: number
  /** What the next hop is told, when it is a tunnel. */
  readonly traceparent: Traceparent
  /** Bytes that an earlier process has carried. */
  readonly earlier?: Readonly<ByteMeter>
}

/**
 * What the books say of a connection that takes this way. Of a double tunnel the next hop is the gateway.
 *
 * @param identity the pod's own, when it is proven to the next hop
 */
export function openingOf(
  { captured, workload, startedMs, traceparent, earlier }: Leaving,
  planned: ReachingPlan,
  identity: SpiffeId | undefined,
): Opening<OutboundConnectionRecord> {
  const { source, originalDestination, pod } = captured
  const { destination } = planned
  const isTunnel = planned.kind !== 'passthrough'
  const nextHop = isTunnel ? planned.peer : planned.target
  const peer = destination.workload && workloadIdentity(destination.workload)
  return {
    pod,
    startedMs,
    earlier,
    record: {
      direction: 'outbound',
      podUid: pod.uid,
      source,
      originalDestination,
      actualDestination: nextHop,
      protocol: PROTOCOLS[planned.kind],
      peer: isTunnel ? peer : undefined,
    },
    subject: {
      source: partyOf(source, workload, identity),
      destination: partyOf(nextHop, destination.workload, isTunnel ? peer : undefined),
      hboneAddress: authorityOf(planned),
      service: destination.service?.hostname,
      direction: 'outbound',
      traceId: isTunnel ? traceparent.traceId : undefined,
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
  }
}

const PROTOCOLS = { tunnel: 'HBONE', 'double-tunnel': 'DOUBLEHBONE', passthrough: 'TCP' } as const

function authorityOf(planned: ReachingPlan): string | undefined {
  switch (planned.kind) {
    case 'tunnel':
      return formatConnectTarget(planned.authority)
    case 'double-tunnel':
      return formatConnectTarget(planned.behind.authority)
    case 'passthrough':
      return undefined
  }
}
