import {
  type EndpointSlice,
  type EntryEndpoint,
  type ObjectMeta,
  objectKey,
  type Pod,
  type ServiceEntry,
  type WorkloadEntry,
} from '#shared/k8s'
import type { Workload } from '#shared/model'
import { type Collection, derive, type Fetch, join } from '../collections/index.ts'
import { sliceService, sliceWorkloads } from './endpoints.ts'
import {
  accountOfEndpoint,
  entryLabels,
  entryWorkload,
  inlineEndpoints,
  inlineWorkload,
  networkOf,
} from './entry-workloads.ts'
import { bindWorkload } from './waypoint-binding.ts'
import type { WiredHosts } from './wire-hosts.ts'
import { type WiredMembership, wireMembership } from './wire-membership.ts'
import { some, type WireParts } from './wire-parts.ts'
import type { WiredPolicies } from './wire-policies.ts'
import type { WiredWaypoints } from './wire-waypoints.ts'
import { podWorkload } from './workloads.ts'

/** What is wired before, and read by workloads. */
export interface WorkloadTopics {
  readonly hosts: WiredHosts
  readonly policies: WiredPolicies
  readonly waypoints: WiredWaypoints
}

interface WorkloadParts extends WireParts, WorkloadTopics {
  readonly membership: WiredMembership
}

/** Pods, entries, endpoints that are neither, and gateways to other networks. */
export function wireWorkloads(wire: WireParts, topics: WorkloadTopics): Collection<Workload> {
  const parts: WorkloadParts = { ...wire, ...topics, membership: wireMembership(wire, topics.hosts) }
  return join(parts.graph, 'workloads', [
    wirePods(parts),
    wireSlices(parts),
    wireWorkloadEntries(parts),
    wireInlineEndpoints(parts),
    parts.waypoints.gatewayWorkloads,
  ])
}

function wirePods(parts: WorkloadParts): Collection<Workload> {
  const { graph, objects, settings, policies, waypoints, membership } = parts
  return derive<Pod, Workload>(graph, {
    name: 'pod workloads',
    from: objects.pods,
    keyOf: uidOf,
    derive: (pod, fetch) => {
      const network = fetch.value(parts.network)
      const facts = {
        settings,
        network,
        namespace: fetch.one(objects.namespaces, pod.metadata.namespace),
        node: fetch.one(objects.nodes, pod.spec.nodeName),
        services: membership.ofPod(pod, fetch),
        policies: policies.attachedTo(pod.metadata, fetch),
        networkGateway: waypoints.gatewayOf(network, fetch),
        ...waypointFacts(pod.metadata, pod.spec.serviceAccountName, waypoints, fetch),
      }
      return some(podWorkload(pod, facts))
    },
  })
}

function wireSlices({ graph, objects, settings, network, waypoints }: WorkloadParts): Collection<Workload> {
  return derive<EndpointSlice, Workload>(graph, {
    name: 'slice workloads',
    from: objects.endpointSlices,
    keyOf: uidOf,
    derive: (slice, fetch) => {
      const service = fetch.one(objects.services, sliceService(slice) ?? '')
      if (service === undefined || service.spec.type === 'ExternalName') return []
      const nodeOf = (name: string) => fetch.one(objects.nodes, name)
      const networkGateway = waypoints.gatewayOf(fetch.value(network), fetch)
      return sliceWorkloads(slice, { settings, network: fetch.value(network), service, nodeOf, networkGateway })
    },
  })
}

function wireWorkloadEntries(parts: WorkloadParts): Collection<Workload> {
  const { graph, objects, settings, policies, waypoints, membership } = parts
  return derive<WorkloadEntry, Workload>(graph, {
    name: 'entry workloads',
    from: objects.workloadEntries,
    keyOf: uidOf,
    derive: (entry, fetch) => {
      const labelled = { namespace: entry.metadata.namespace, labels: entryLabels(entry) }
      const facts = {
        settings,
        ...networkFacts(entry.spec, parts, fetch),
        services: membership.ofEntry(entry, fetch),
        policies: policies.attachedTo(labelled, fetch),
        ...waypointFacts(entry.metadata, accountOfEndpoint(entry.spec), waypoints, fetch),
      }
      return [entryWorkload(entry, facts)]
    },
  })
}

function wireInlineEndpoints(parts: WorkloadParts): Collection<Workload> {
  const { graph, objects, settings, hosts, policies, waypoints, membership } = parts
  return derive<ServiceEntry, Workload>(graph, {
    name: 'inline workloads',
    from: objects.serviceEntries,
    keyOf: uidOf,
    derive: (entry, fetch) => {
      const { namespace } = entry.metadata
      const held = fetch.by(hosts.claims, objectKey(entry)).filter(({ outcome }) => outcome.kind === 'held')
      const endpoints = inlineEndpoints(
        entry,
        held.map(({ hostname }) => hostname),
      )
      return endpoints.map(({ endpoint, hostnames }) => {
        // Only the waypoint is looked up by the endpoint's own labels (istio-control-plane b.2).
        const asking = { namespace, labels: endpoint.labels, annotations: {} }
        return inlineWorkload(entry, endpoint, {
          settings,
          ...networkFacts(endpoint, parts, fetch),
          services: membership.ofInline(entry, endpoint, hostnames),
          policies: policies.attachedTo(entry.metadata, fetch),
          waypoint: bindWorkload(asking, accountOfEndpoint(endpoint), waypoints.factsFor(namespace, fetch)).waypoint,
          applicationTunnel: undefined,
        })
      })
    },
  })
}

function networkFacts(endpoint: EntryEndpoint, { network, waypoints }: WorkloadParts, fetch: Fetch) {
  const name = networkOf(endpoint, fetch.value(network))
  return { network: name, networkGateway: waypoints.gatewayOf(name, fetch) }
}

/** What an instance of a waypoint sends out has been through it, and so has no other. */
function waypointFacts(metadata: ObjectMeta, serviceAccount: string, waypoints: WiredWaypoints, fetch: Fetch) {
  const instanceOf = waypoints.instanceOf(metadata, fetch)
  if (instanceOf !== undefined) return { waypoint: undefined, applicationTunnel: instanceOf.binding }
  const { waypoint } = bindWorkload(metadata, serviceAccount, waypoints.factsFor(metadata.namespace, fetch))
  return { waypoint, applicationTunnel: undefined }
}

function uidOf({ uid }: Workload): string {
  return uid
}
