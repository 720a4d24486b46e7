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
export const WAYPOINT_CLASS = 'istio-waypoint'
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
  /** Undefined: what the class says, which is `service`. */
  readonly traffic: WaypointTraffic | undefined
  readonly revision: string | undefined
  readonly serviceAccount: string | undefined
}

/** The Gateway that asks for a waypoint. */
export function waypointGateway({ name, namespace, traffic, revision, serviceAccount }: WaypointOrder): ApiDocument {
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
      gatewayClassName: WAYPOINT_CLASS,
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
  if (spec.gatewayClassName !== WAYPOINT_CLASS) return undefined
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
