import type { Graph } from '../collections/index.ts'
import type { Mesh, MeshSettings } from '../mesh/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import { wireFacts } from './wire-facts.ts'
import { type WiredPolicies, wirePolicies } from './wire-policies.ts'
import { type WiredRoutes, wireRouteObjects, wireRoutes } from './wire-routes.ts'
import { type WiredVerdicts, wireVerdicts } from './wire-verdicts.ts'

/** Everything that waypoints are told, by the names of the resources, and what authors are told of it. */
export interface WaypointConfiguration extends WiredRoutes, WiredPolicies {
  readonly verdicts: WiredVerdicts
}

export function wireWaypointConfiguration(
  graph: Graph,
  objects: ObjectCollections,
  mesh: Mesh,
  settings: MeshSettings,
): WaypointConfiguration {
  const parts = { graph, objects, mesh, settings }
  const facts = wireFacts(parts)
  const objectsFor = wireRouteObjects(parts)
  return {
    ...wireRoutes(parts, facts, objectsFor),
    ...wirePolicies(parts, facts),
    verdicts: wireVerdicts(parts, facts, objectsFor),
  }
}
