import type {
  Cluster,
  RateLimit,
  RequestPolicy,
  Routes,
  ServiceTelemetry,
  TokenPolicy,
  WorkloadLabels,
} from '#shared/l7'
import type { ResourceType } from './types.ts'
import { clusterShape, workloadLabelsShape } from './waypoint-cluster-shapes.ts'
import {
  rateLimitShape,
  requestPolicyShape,
  strictestRequestPolicy,
  telemetryShape,
  tokenPolicyShape,
} from './waypoint-policy-shapes.ts'
import { routesShape } from './waypoint-route-shapes.ts'
import { type WaypointSchema, waypointSchema } from './waypoint-schema.ts'
import type { WireShape } from './wire-shape.ts'

/** What only waypoints ask for. A waypoint says which one it is in the name that it gives to its ADS stream. */
function waypointType<T extends object>(message: keyof WaypointSchema, shape: WireShape<T>): ResourceType<T> {
  return {
    typeUrl: `type.googleapis.com/ambit.dev.waypoint.${message}`,
    // A shape writes exactly its message: `struct` is typed by the record, and the round trip of every field is tested.
    encode: (resource) => waypointSchema()[message].encode(shape.write(resource) as object),
    decode: (bytes) => shape.read(waypointSchema()[message].decode(bytes), ''),
  }
}

export const routesType: ResourceType<Routes> = waypointType('Routes', routesShape)
export const clusterType: ResourceType<Cluster> = waypointType('Cluster', clusterShape)
export const workloadLabelsType: ResourceType<WorkloadLabels> = waypointType('WorkloadLabels', workloadLabelsShape)
export const requestPolicyType: ResourceType<RequestPolicy> = {
  ...waypointType('RequestPolicy', requestPolicyShape),
  standIn(bytes) {
    try {
      return strictestRequestPolicy(waypointSchema().RequestPolicy.decode(bytes) as Record<string, unknown>)
    } catch {
      return undefined // no policy at all
    }
  },
}
export const tokenPolicyType: ResourceType<TokenPolicy> = waypointType('TokenPolicy', tokenPolicyShape)
export const rateLimitType: ResourceType<RateLimit> = waypointType('RateLimit', rateLimitShape)
export const telemetryType: ResourceType<ServiceTelemetry> = waypointType('ServiceTelemetry', telemetryShape)
