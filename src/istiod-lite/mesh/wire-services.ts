import { type Service as KubeService, objectKey } from '#shared/k8s'
import { type Service, serviceKey } from '#shared/model'
import { type Collection, derive } from '../collections/index.ts'
import { meshService } from './services.ts'
import { UNBOUND } from './waypoint-binding.ts'
import { some, type WireParts } from './wire-parts.ts'
import { bindingKey, type WiredWaypoints } from './wire-waypoints.ts'

export function wireServices(
  { graph, objects, settings, network }: WireParts,
  { bindings }: WiredWaypoints,
): Collection<Service> {
  return derive<KubeService, Service>(graph, {
    name: 'services',
    from: objects.services,
    keyOf: serviceKey,
    derive: (service, fetch) => {
      const namespace = fetch.one(objects.namespaces, service.metadata.namespace)
      const binding = fetch.one(bindings, bindingKey({ kind: 'Service', key: objectKey(service) })) ?? UNBOUND
      return some(meshService(service, { settings, network: fetch.value(network), namespace, binding }))
    },
  })
}
