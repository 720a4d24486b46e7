import type { Namespace, Service } from '#shared/k8s'
import type { Condition } from './conditions.ts'

const USE_WAYPOINT = 'istio.io/use-waypoint'

/**
 * What the author of a service that asks for a waypoint is told; undefined when it asks for none. Its own label counts,
 * then its namespace's; `none` ends the look-up. Waypoints are not run yet, so none is ever ready: traffic goes direct,
 * as with Istio while a waypoint is missing, and it must not go unsaid.
 *
 * @see istio-control-plane a.1, b.4
 */
export function waypointCondition(service: Service, namespace: Namespace | undefined): Condition | undefined {
  const name = service.metadata.labels[USE_WAYPOINT] ?? namespace?.metadata.labels[USE_WAYPOINT] ?? 'none'
  if (name === 'none') return undefined
  return {
    type: 'istio.io/WaypointBound',
    status: 'False',
    reason: 'WaypointIsNotReady',
    message: `waypoint ${name} is not ready: traffic goes past it, and policies for it are not enforced`,
  }
}
