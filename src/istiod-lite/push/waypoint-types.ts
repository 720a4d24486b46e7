import {
  type ConnectedClient,
  clusterType,
  type EncodedResource,
  type ResourceType,
  rateLimitType,
  requestPolicyType,
  routesType,
  telemetryType,
  tokenPolicyType,
  workloadLabelsType,
} from '#shared/xds'
import { type Collection, derive, type Graph } from '../collections/index.ts'
import type { ForWaypoint, WaypointConfiguration } from '../routes/index.ts'
import { type PushType, plainType, versioned } from './push-type.ts'

interface WaypointResource extends EncodedResource {
  /** `namespace/name`. */
  readonly waypoint: string
}

/** What waypoints are told, each just what is for it. */
export function waypointTypes(graph: Graph, told: WaypointConfiguration): readonly PushType[] {
  const pushed = <T>(type: ResourceType<T>, resources: Collection<ForWaypoint<T>>): PushType => {
    const encoded = derive<ForWaypoint<T>, WaypointResource>(graph, {
      name: `encoded ${resources.name}`,
      from: resources,
      keyOf: ({ name }) => name,
      derive: ({ waypoint, name, resource }) => [{ waypoint, name, aliases: [], ...versioned(type.encode(resource)) }],
    })
    return plainType(type.typeUrl, encoded, ({ waypoint }, client) => waypoint === waypointOf(client))
  }
  return [
    pushed(routesType, told.routes),
    pushed(clusterType, told.clusters),
    pushed(workloadLabelsType, told.labels),
    pushed(requestPolicyType, told.requestPolicies),
    pushed(tokenPolicyType, told.tokenPolicies),
    pushed(rateLimitType, told.rateLimits),
    pushed(telemetryType, told.telemetry),
  ]
}

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'

/**
 * Which waypoint a client says that it is, as Istio's do: by its namespace and the label of its pod. One that has proved
 * to be of another namespace is none.
 */
function waypointOf({ node, peer }: ConnectedClient): string | undefined {
  const { NAMESPACE: namespace, LABELS: labels } = node.metadata
  if (typeof namespace !== 'string' || typeof labels !== 'object' || labels === null) return undefined
  const name: unknown = Reflect.get(labels, GATEWAY_NAME)
  if (typeof name !== 'string') return undefined
  const isOwn = peer.principal === undefined || peer.principal.startsWith(`${namespace}/`)
  return isOwn ? `${namespace}/${name}` : undefined
}
