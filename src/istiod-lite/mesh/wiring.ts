import type { AuthorizationPolicy, PeerAuthentication, Pod } from '#shared/k8s'
import type { Authorization, Service, Workload } from '#shared/model'
import {
  type Collection,
  type Graph,
  type Index,
  indexBy,
  join,
  plainFetch,
  type Singleton,
  singleton,
} from '../collections/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import type { EntryAddresses } from './auto-addresses.ts'
import type { ObjectCondition } from './conditions.ts'
import { NETWORK_LABEL } from './network-gateways.ts'
import { convertPolicy } from './policies.ts'
import type { MeshSettings } from './settings.ts'
import type { Waypoint } from './waypoints.ts'
import { wireHosts } from './wire-hosts.ts'
import type { WireParts } from './wire-parts.ts'
import { wirePolicies } from './wire-policies.ts'
import { type PolicyReport, wirePolicyConditions } from './wire-policy-conditions.ts'
import { wireServices } from './wire-services.ts'
import { wireSettings } from './wire-settings.ts'
import { type ServiceBinding, wireWaypoints } from './wire-waypoints.ts'
import { wireWorkloads } from './wire-workloads.ts'

/** Everything that is derived from the objects. Keys are the resource names on the wire. */
export interface Mesh {
  /** By uid: pods, entries, endpoints that are neither, and gateways to other networks. */
  readonly workloads: Collection<Workload>
  /** By `<namespace>/<hostname>`. */
  readonly services: Collection<Service>
  /** By `<namespace>/<name>`: policies, and what PeerAuthentications become. */
  readonly authorizations: Collection<Authorization>
  /** What authors of objects are to be told, by `<kind> <namespace>/<name> <type>`. */
  readonly conditions: Collection<ObjectCondition>
  /** Of this cluster; empty = none. */
  readonly network: Singleton<string>
  /** What `status.addresses` of ServiceEntries shall say, by `<namespace>/<name>`; without one there shall be none. */
  readonly entryAddresses: Collection<EntryAddresses>
  /** What would become of a policy that is not stored yet. */
  readonly explain: PolicyExplainer
  /** Gateways that are ready as waypoints, by `<namespace>/<name>`. */
  readonly waypoints: Collection<Waypoint>
  /** What asks for a waypoint, and what it gets, by `<kind> <namespace>/<name>`. */
  readonly waypointBindings: Collection<ServiceBinding>
  /** Pods as they are, by `<namespace>/<name>`, and by `<node> <namespace>/<service account>`. */
  readonly pods: Collection<Pod>
  readonly podsByNodeAccount: Index<Pod>
}

/** Against the state as it is; what a policy selects is not looked at, since what it is for may come after it. */
export interface PolicyExplainer {
  authorizationPolicy(policy: AuthorizationPolicy): PolicyReport
  peerAuthentication(policy: PeerAuthentication): PolicyReport
}

export function nodeAccountKey(node: string, namespace: string, serviceAccount: string): string {
  return `${node} ${namespace}/${serviceAccount}`
}

/**
 * Joins the topics. Each has its own `wire-` file, which says what its derivations read besides their own input; what
 * they make of it stands in a file without a graph.
 */
export function wireMesh(graph: Graph, objects: ObjectCollections, settings: MeshSettings): Mesh {
  const network = singleton(
    graph,
    'network',
    (fetch) => fetch.one(objects.namespaces, settings.rootNamespace)?.metadata.labels[NETWORK_LABEL] ?? '',
  )
  const meshConfig = wireSettings(graph, objects, settings)
  const parts: WireParts = { graph, objects, settings, network, meshConfig }
  const hosts = wireHosts(parts)
  const waypoints = wireWaypoints(parts)
  const { services, conditions } = wireServices(parts, { hosts, waypoints })
  const policies = wirePolicies(parts)
  const workloads = wireWorkloads(parts, { hosts, policies, waypoints })
  const policyConditions = wirePolicyConditions(parts, { policies, waypoints, workloads })
  return {
    workloads,
    services,
    authorizations: policies.authorizations,
    conditions: join(graph, 'conditions', [
      policyConditions.conditions,
      waypoints.conditions,
      conditions,
      meshConfig.conditions,
    ]),
    entryAddresses: hosts.addresses,
    network,
    explain: {
      authorizationPolicy: (policy) => policyConditions.explain(policy, convertPolicy(policy, settings), plainFetch),
      peerAuthentication: (policy) => policyConditions.explainPeerAuthentication(policy, plainFetch),
    },
    waypoints: waypoints.waypoints,
    waypointBindings: waypoints.bindings,
    pods: objects.pods,
    podsByNodeAccount: indexBy(objects.pods, 'pods by node and account', ({ metadata, spec }) => [
      nodeAccountKey(spec.nodeName, metadata.namespace, spec.serviceAccountName),
    ]),
  }
}
