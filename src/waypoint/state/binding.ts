import { findGateway, type MeshView } from '#shared/mesh-state'
import type { GatewayAddress } from '#shared/model'

/** A waypoint by its Gateway, whose Service has the same name. */
export interface WaypointName {
  readonly namespace: string
  readonly name: string
}

/** A service or workload as far as it says whose traffic it is. */
export interface Bound {
  readonly namespace: string
  readonly waypoint: GatewayAddress | undefined
  /** Of services: several waypoints share its traffic. */
  readonly weightedWaypoints?: readonly { readonly destination: GatewayAddress }[]
}

/** Whether that is served by this waypoint: nobody else's policies and routes are known here. */
export function isBoundTo(mesh: MeshView, bound: Bound, waypoint: WaypointName): boolean {
  const { weightedWaypoints = [] } = bound
  if (bound.waypoint !== undefined && leadsTo(mesh, bound.waypoint, bound.namespace, waypoint)) return true
  return weightedWaypoints.some(({ destination }) => leadsTo(mesh, destination, bound.namespace, waypoint))
}

function leadsTo(mesh: MeshView, reference: GatewayAddress, namespace: string, waypoint: WaypointName): boolean {
  const to = reference.destination
  // By its name it is known before its own Service is.
  if (to.kind === 'hostname')
    return to.namespace === waypoint.namespace && to.hostname.startsWith(`${waypoint.name}.${waypoint.namespace}.`)
  const gateway = findGateway(mesh, reference, namespace)
  return (
    gateway?.kind === 'service' &&
    gateway.service.namespace === waypoint.namespace &&
    gateway.service.name === waypoint.name
  )
}
