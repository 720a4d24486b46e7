import { type Service as KubeService, objectKey } from '#shared/k8s'
import { type Collection, derive } from '../collections/index.ts'
import type { ObjectCondition } from './conditions.ts'
import { waypointCondition } from './waypoints.ts'
import { conditionKey, type WireParts } from './wire-parts.ts'

/** What authors of services that ask for a waypoint are told. */
export function wireWaypoints({ graph, objects }: WireParts): Collection<ObjectCondition> {
  return derive<KubeService, ObjectCondition>(graph, {
    name: 'conditions of services',
    from: objects.services,
    keyOf: conditionKey,
    derive: (service, fetch) => {
      const condition = waypointCondition(service, fetch.one(objects.namespaces, service.metadata.namespace))
      return condition === undefined ? [] : [{ kind: 'Service', key: objectKey(service), condition }]
    },
  })
}
