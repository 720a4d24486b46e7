import { type Service as KubeService, objectKey, type ServiceEntry } from '#shared/k8s'
import { type Service, serviceKey } from '#shared/model'
import { type Collection, derive, join } from '../collections/index.ts'
import type { ObjectCondition } from './conditions.ts'
import { entryConditions, serviceCondition } from './entry-conditions.ts'
import { entryService } from './entry-services.ts'
import { meshService } from './services.ts'
import { UNBOUND } from './waypoint-binding.ts'
import type { WiredHosts } from './wire-hosts.ts'
import { conditionKey, some, type WireParts } from './wire-parts.ts'
import { bindingKey, type WiredWaypoints } from './wire-waypoints.ts'

/** What is wired before, and read by services. */
export interface ServiceTopics {
  readonly hosts: WiredHosts
  readonly waypoints: WiredWaypoints
}

export interface WiredServices {
  /** By `<namespace>/<hostname>`. */
  readonly services: Collection<Service>
  readonly conditions: Collection<ObjectCondition>
}

export function wireServices(parts: WireParts, topics: ServiceTopics): WiredServices {
  const { graph } = parts
  return {
    services: join(graph, 'all services', [wireKubeServices(parts, topics), wireEntryServices(parts, topics)]),
    conditions: join(graph, 'conditions of services and entries', [
      wireServiceConditions(parts),
      wireEntryConditions(parts, topics),
    ]),
  }
}

function wireKubeServices(
  { graph, objects, settings, network }: WireParts,
  { waypoints }: ServiceTopics,
): Collection<Service> {
  return derive<KubeService, Service>(graph, {
    name: 'services',
    from: objects.services,
    keyOf: serviceKey,
    derive: (service, fetch) => {
      const namespace = fetch.one(objects.namespaces, service.metadata.namespace)
      const binding = fetch.one(waypoints.bindings, bindingKey({ kind: 'Service', key: objectKey(service) })) ?? UNBOUND
      return some(meshService(service, { settings, network: fetch.value(network), namespace, binding }))
    },
  })
}

function wireEntryServices(
  { graph, objects, network }: WireParts,
  { hosts, waypoints }: ServiceTopics,
): Collection<Service> {
  return derive<ServiceEntry, Service>(graph, {
    name: 'services of entries',
    from: objects.serviceEntries,
    keyOf: serviceKey,
    derive: (entry, fetch) => {
      const key = objectKey(entry)
      const facts = {
        network: fetch.value(network),
        namespace: fetch.one(objects.namespaces, entry.metadata.namespace),
        binding: fetch.one(waypoints.bindings, bindingKey({ kind: 'ServiceEntry', key })) ?? UNBOUND,
        automatic: fetch.one(hosts.addresses, key)?.addresses ?? [],
      }
      const held = fetch.by(hosts.claims, key).filter(({ outcome }) => outcome.kind === 'held')
      return held.map((claim) => entryService(entry, claim, facts))
    },
  })
}

function wireServiceConditions({ graph, objects }: WireParts): Collection<ObjectCondition> {
  return derive<KubeService, ObjectCondition>(graph, {
    name: 'conditions of services',
    from: objects.services,
    keyOf: conditionKey,
    derive: (service) => {
      const condition = serviceCondition(service)
      return condition === undefined ? [] : [{ kind: 'Service', key: objectKey(service), condition }]
    },
  })
}

function wireEntryConditions(
  { graph, objects, meshConfig }: WireParts,
  { hosts, waypoints }: ServiceTopics,
): Collection<ObjectCondition> {
  return derive<ServiceEntry, ObjectCondition>(graph, {
    name: 'conditions of entries',
    from: objects.serviceEntries,
    keyOf: conditionKey,
    derive: (entry, fetch) => {
      const key = objectKey(entry)
      const binding = fetch.one(waypoints.bindings, bindingKey({ kind: 'ServiceEntry', key }))
      const conditions = entryConditions(entry, {
        visibility: meshConfig.visibilityIn(entry.metadata.namespace, fetch),
        isVisibilityConfigured: meshConfig.isVisibilityConfigured(fetch),
        claims: fetch.by(hosts.claims, key),
        automatic: fetch.one(hosts.addresses, key)?.addresses ?? [],
        hasWaypoint: binding?.waypoint !== undefined,
      })
      return conditions.map((condition) => ({
        kind: 'ServiceEntry',
        key,
        generation: entry.metadata.generation,
        condition,
      }))
    },
  })
}
