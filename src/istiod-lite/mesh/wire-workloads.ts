import { type Service as KubeService, objectKey, type Pod } from '#shared/k8s'
import type { Workload } from '#shared/model'
import { type Collection, derive, type Fetch, indexBy, join } from '../collections/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import { slicePods, sliceService, sliceWorkloads } from './endpoints.ts'
import { labelKeys, selectorKey, selects } from './labels.ts'
import { bindWorkload } from './waypoint-binding.ts'
import { some, type WireParts } from './wire-parts.ts'
import type { WiredPolicies } from './wire-policies.ts'
import type { WiredWaypoints } from './wire-waypoints.ts'
import { podWorkload } from './workloads.ts'

/** Pods, and endpoints that are no pods. */
export function wireWorkloads(
  parts: WireParts,
  policies: WiredPolicies,
  waypoints: WiredWaypoints,
): Collection<Workload> {
  const { graph, objects, settings } = parts
  const membersOf = wireMembership(objects)
  const waypointOf = ({ metadata, spec }: Pod, fetch: Fetch) =>
    bindWorkload(metadata, spec.serviceAccountName, waypoints.factsFor(metadata.namespace, fetch)).waypoint
  const podWorkloads = derive<Pod, Workload>(graph, {
    name: 'pod workloads',
    from: objects.pods,
    keyOf: (workload) => workload.uid,
    derive: (pod, fetch) => {
      const network = fetch.value(parts.network)
      const instanceOf = waypoints.instanceOf(pod.metadata, fetch)
      const facts = {
        settings,
        network,
        namespace: fetch.one(objects.namespaces, pod.metadata.namespace),
        node: fetch.one(objects.nodes, pod.spec.nodeName),
        services: membersOf(pod, fetch),
        policies: policies.attachedTo(pod.metadata, fetch),
        // What a waypoint sends out has been through it.
        waypoint: instanceOf === undefined ? waypointOf(pod, fetch) : undefined,
        networkGateway: waypoints.gatewayOf(network, fetch),
        applicationTunnel: instanceOf?.binding,
      }
      return some(podWorkload(pod, facts))
    },
  })
  const sliceEndpoints = derive(graph, {
    name: 'slice workloads',
    from: objects.endpointSlices,
    keyOf: (workload: Workload) => workload.uid,
    derive: (slice, fetch) => {
      const service = fetch.one(objects.services, sliceService(slice) ?? '')
      if (service === undefined || service.spec.type === 'ExternalName') return []
      const nodeOf = (name: string) => fetch.one(objects.nodes, name)
      const network = fetch.value(parts.network)
      const networkGateway = waypoints.gatewayOf(network, fetch)
      return sliceWorkloads(slice, { settings, network, service, nodeOf, networkGateway })
    },
  })
  return join(graph, 'workloads', [podWorkloads, sliceEndpoints, waypoints.gatewayWorkloads])
}

/** Services of a pod: those that select it, and those without a selector whose slices name it. */
function wireMembership(objects: ObjectCollections): (pod: Pod, fetch: Fetch) => readonly KubeService[] {
  const servicesBySelector = indexBy(objects.services, 'services by selector', ({ metadata, spec }) =>
    some(selectorKey(metadata.namespace, spec.selector)),
  )
  const slicesByPod = indexBy(objects.endpointSlices, 'slices by pod', slicePods)
  return (pod, fetch) => {
    const { namespace, labels } = pod.metadata
    const candidates = labelKeys(namespace, labels).flatMap((key) => fetch.by(servicesBySelector, key))
    const selecting = candidates.filter((service) => selects(service.spec.selector, labels))
    const naming = fetch.by(slicesByPod, objectKey(pod)).flatMap((slice) => {
      const service = fetch.one(objects.services, sliceService(slice) ?? '')
      return service === undefined || Object.keys(service.spec.selector).length > 0 ? [] : [service]
    })
    const byKey = new Map([...selecting, ...naming].map((service) => [objectKey(service), service]))
    return [...byKey.values()].filter((service) => service.spec.type !== 'ExternalName').sort(byName)
  }
}

function byName(a: KubeService, b: KubeService): number {
  return a.metadata.name < b.metadata.name ? -1 : 1
}
