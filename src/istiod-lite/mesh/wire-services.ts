import type { Service as KubeService } from '#shared/k8s'
import { type Service, serviceKey } from '#shared/model'
import { type Collection, derive } from '../collections/index.ts'
import { meshService } from './services.ts'
import { some, type WireParts } from './wire-parts.ts'

export function wireServices({ graph, objects, settings, network }: WireParts): Collection<Service> {
  return derive<KubeService, Service>(graph, {
    name: 'services',
    from: objects.services,
    keyOf: serviceKey,
    derive: (service, fetch) => {
      const namespace = fetch.one(objects.namespaces, service.metadata.namespace)
      return some(meshService(service, { settings, network: fetch.value(network), namespace }))
    },
  })
}
