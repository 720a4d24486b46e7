import { isRecord } from '#shared/document'
import type { ApiDocument, ApiResource } from '#shared/kube-client'
import { conditionsOf, type StatusCondition } from './conditions.ts'
import type { Look } from './until.ts'

export const GATEWAY: ApiResource = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  resource: 'gateways',
  namespaced: true,
}
/** Ambit's own name is for clusters in which an istiod serves the other. */
export const WAYPOINT_CLASSES = ['istio-waypoint', 'ambit-waypoint'] as const
export type WaypointClass = (typeof WAYPOINT_CLASSES)[number]
export const USE_WAYPOINT_LABEL = 'istio.io/use-waypoint'
const FOR_LABEL = 'istio.io/waypoint-for'
const REVISION_LABEL = 'istio.io/rev'
/** Ambit's own: the waypoint serves only what runs as this account. */
const ACCOUNT_ANNOTATION = 'istio.io/for-service-account'
const HBONE_PORT = 15_008

export const WAYPOINT_TRAFFIC = ['service', 'workload', 'all', 'none'] as const
export type WaypointTraffic = (typeof WAYPOINT_TRAFFIC)[number]

export interface WaypointOrder {
  readonly name: string
  readonly namespace: string
  readonly className: WaypointClass
  /** Undefined: what the class says, which is `service`; of a waypoint for an account `workload`. */
  readonly traffic: WaypointTraffic | undefined
  readonly revision: string | undefined
  readonly serviceAccount: string | undefined
}

/** The Gateway that asks for a waypoint. Only one for workloads is used by those that run as its account. */
export function waypointGateway(order: WaypointOrder): ApiDocument {
  const { name, namespace, className, revision, serviceAccount } = order
  const traffic = order.traffic ?? (serviceAccount === undefined ? undefined : 'workload')
  const labels = {
    ...(traffic === undefined ? {} : { [FOR_LABEL]: traffic }),
    ...(revision === undefined ? {} : { [REVISION_LABEL]: revision }),
  }
  return {
    apiVersion: GATEWAY.apiVersion,
    kind: GATEWAY.kind,
    metadata: {
      name,
      namespace,
      ...(Object.keys(labels).length > 0 ? { labels } : {}),
      ...(serviceAccount === undefined ? {} : { annotations: { [ACCOUNT_ANNOTATION]: serviceAccount } }),
    },
    spec: {
      gatewayClassName: className,
      listeners: [{ name: 'mesh', port: HBONE_PORT, protocol: 'HBONE' }],
    },
  }
}

/** A waypoint as lists show it. */
export interface Waypoint {
  readonly namespace: string
  readonly name: string
  readonly revision: string
  readonly traffic: string
  readonly programmed: StatusCondition
}

/** Undefined: it is a gateway of another class. */
export function readWaypoint(gateway: ApiDocument): Waypoint | undefined {
  const spec = isRecord(gateway.spec) ? gateway.spec : {}
  if (!WAYPOINT_CLASSES.some((each) => each === spec.gatewayClassName)) return undefined
  const metadata = isRecord(gateway.metadata) ? gateway.metadata : {}
  const labels = isRecord(metadata.labels) ? metadata.labels : {}
  return {
    namespace: String(metadata.namespace),
    name: String(metadata.name),
    revision: text(labels[REVISION_LABEL], 'default'),
    traffic: text(labels[FOR_LABEL], 'service'),
    programmed: conditionsOf(gateway).find(({ type }) => type === 'Programmed') ?? UNTOLD,
  }
}

/** Whether a waypoint serves. */
export function waypointLook(gateway: ApiDocument | undefined): Look {
  if (gateway === undefined) return { kind: 'wait', reason: 'it does not exist' }
  const { status, reason, message } = (readWaypoint(gateway) ?? { programmed: UNTOLD }).programmed
  if (status === 'True') return { kind: 'done' }
  return { kind: 'wait', reason: [`Programmed=${status}`, reason, message].filter((part) => part !== '').join(', ') }
}

const UNTOLD: StatusCondition = {
  type: 'Programmed',
  status: 'Unknown',
  reason: 'Pending',
  message: 'no controller has taken it up',
  observedGeneration: undefined,
}

function text(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value : fallback
}
