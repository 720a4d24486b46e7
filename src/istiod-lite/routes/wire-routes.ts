import { isDeepStrictEqual } from 'node:util'
import type {
  GRPCRoute,
  HTTPRoute,
  Pod,
  ServiceEntry,
  TCPRoute,
  TLSRoute,
  VirtualService,
  WorkloadEntry,
} from '#shared/k8s'
import {
  type Cluster,
  DEFAULT_TRAFFIC_POLICY,
  type Routes,
  type WeightedBackend,
  type WorkloadLabels,
} from '#shared/l7'
import { type Collection, derive, type Fetch, type Index, indexBy, join } from '../collections/index.ts'
import { endpointUid, entryLabels, entryUid, podUid } from '../mesh/index.ts'
import { trafficPolicy } from './destination-rules.ts'
import { byAge, hostPatterns, isExported, resolveHost } from './hosts.ts'
import { MESH } from './istio-match.ts'
import { portRoutes, type RouteObjects } from './port-routes.ts'
import { type ForWaypoint, parentKey, parentKeysOf, type Served, servedKey } from './scope.ts'
import type { RouteParts, WiredFacts } from './wire-facts.ts'

export interface WiredRoutes {
  readonly routes: Collection<ForWaypoint<Routes>>
  readonly clusters: Collection<ForWaypoint<Cluster>>
  readonly labels: Collection<ForWaypoint<WorkloadLabels>>
}

/** Finds the objects that speak of a service. */
export type ObjectsFor = (one: Served, fetch: Fetch) => RouteObjects

const nameOf = ({ name }: { readonly name: string }): string => name

export function wireRoutes(parts: RouteParts, wired: WiredFacts, objectsFor: ObjectsFor): WiredRoutes {
  const { graph } = parts
  const { served, factsFor, ruleFor } = wired
  const routes = derive<Served, ForWaypoint<Routes>>(graph, {
    name: 'routes of waypoints',
    from: served,
    keyOf: nameOf,
    derive: (one, fetch) => {
      const objects = objectsFor(one, fetch)
      const facts = factsFor(one.client, fetch)
      return one.service.ports.flatMap(({ servicePort }) => {
        const resource = portRoutes(one, servicePort, objects, facts)
        return resource === undefined ? [] : [{ waypoint: one.waypoint, name: routesName(one, servicePort), resource }]
      })
    },
  })
  const clusters = derive<Served, ForWaypoint<Cluster>>(graph, {
    name: 'clusters of waypoints',
    from: served,
    keyOf: nameOf,
    derive: (one, fetch) => {
      const ports = one.service.ports.map(({ servicePort }) => servicePort)
      const used = ports.flatMap((port) => backendsOf(fetch.one(routes, routesName(one, port))?.resource))
      const own = ports.map((port) => ({ ...ownName(one), port, subset: '' }))
      const named = new Map([...own, ...used].map((cluster) => [clusterName(cluster), cluster]))
      return [...named].flatMap(([name, cluster]): ForWaypoint<Cluster>[] => {
        const rule = ruleFor(cluster, one.client, fetch)
        const policy = trafficPolicy(rule, cluster.port, cluster.subset)
        // Said of nothing, it is what the proxy does by itself.
        if (cluster.subset === '' && isDeepStrictEqual(policy, DEFAULT_TRAFFIC_POLICY)) return []
        const labels = rule?.subsets.get(cluster.subset)?.labels ?? {}
        return [{ waypoint: one.waypoint, name: `${one.waypoint}/${name}`, resource: { ...cluster, labels, policy } }]
      })
    },
  })
  return { routes, clusters, labels: wireLabels(parts, routes, clusters) }
}

type ClusterName = Pick<Cluster, 'namespace' | 'hostname' | 'port' | 'subset'>

function routesName(one: Served, port: number): string {
  return `${servedKey(one)}/${port}`
}

function clusterName({ namespace, hostname, port, subset }: ClusterName): string {
  return `${namespace}/${hostname}/${port}${subset === '' ? '' : `/${subset}`}`
}

function ownName({ service }: Served): Pick<Cluster, 'namespace' | 'hostname'> {
  return { namespace: service.namespace, hostname: service.hostname }
}

function backendsOf(routes: Routes | undefined): readonly ClusterName[] {
  const http = (routes?.http ?? []).flatMap(({ action, mirrors }) => [
    ...(action.kind === 'forward' ? action.backends : []),
    ...mirrors,
  ])
  const tcp = (routes?.tcp ?? []).flatMap(({ backends }): readonly WeightedBackend[] => backends)
  return [...http, ...tcp].flatMap(({ to }) => {
    if (to.kind === 'failed') return []
    const { kind: _, ...name } = to
    return [name]
  })
}

/** Objects that speak of a service, found by what they name. */
export function wireRouteObjects({ objects, settings }: RouteParts): ObjectsFor {
  const { clusterDomain } = settings
  const byParent = <R extends HTTPRoute | GRPCRoute | TCPRoute | TLSRoute>(collection: Collection<R>): Index<R> =>
    indexBy(collection, `${collection.name} by parent`, ({ metadata, spec }) =>
      spec.parentRefs.flatMap((ref) => parentKey(ref, metadata.namespace, clusterDomain) ?? []),
    )
  const http = byParent(objects.httpRoutes)
  const grpc = byParent(objects.grpcRoutes)
  const tcp = byParent(objects.tcpRoutes)
  const tls = byParent(objects.tlsRoutes)
  const virtualServices = indexBy<VirtualService>(
    objects.virtualServices,
    'virtual services by host',
    ({ metadata, spec }) => spec.hosts.map((host) => resolveHost(host, metadata.namespace, clusterDomain)),
  )
  return (one, fetch) => {
    const { client, service } = one
    const keys = parentKeysOf(one)
    const attached = <R>(index: Index<R>): readonly R[] => [...new Set(keys.flatMap((key) => fetch.by(index, key)))]
    const naming = new Set(hostPatterns(service.hostname).flatMap((pattern) => fetch.by(virtualServices, pattern)))
    return {
      httpRoutes: attached(http),
      grpcRoutes: attached(grpc),
      tcpRoutes: attached(tcp),
      tlsRoutes: attached(tls),
      virtualServices: [...naming]
        .filter(({ metadata, spec }) => {
          const isOfMesh = spec.gateways.length === 0 || spec.gateways.includes(MESH)
          const isNear = metadata.namespace === client || metadata.namespace === service.namespace
          return isOfMesh && isNear && isExported(spec.exportTo, metadata.namespace, client)
        })
        .sort(byAge),
    }
  }
}

/** Which labels a waypoint has to know, and of whose workloads. */
interface LabelNeed {
  readonly name: string
  readonly waypoint: string
  /** Key of a service, or everybody, since anybody may ask. */
  readonly of: string
  readonly keys: readonly string[]
}

const EVERYBODY = '*'
/** Keys of a priority that the workload's own record answers. */
const KNOWN_LABELS: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
  'topology.istio.io/network',
  'topology.istio.io/cluster',
  'kubernetes.io/hostname',
])

function wireLabels(
  { graph, objects, mesh, settings }: RouteParts,
  routes: WiredRoutes['routes'],
  clusters: WiredRoutes['clusters'],
): Collection<ForWaypoint<WorkloadLabels>> {
  const ofClusters = derive<ForWaypoint<Cluster>, LabelNeed>(graph, {
    name: 'labels that clusters need',
    from: clusters,
    keyOf: nameOf,
    derive: ({ name, waypoint, resource }) => {
      const { labels, policy } = resource
      const priority = policy.locality.kind === 'priority' ? policy.locality.labels : []
      const keys = [...Object.keys(labels), ...priority.map(labelOf).filter((key) => !KNOWN_LABELS.has(key))]
      return keys.length === 0 ? [] : [{ name, waypoint, of: `${resource.namespace}/${resource.hostname}`, keys }]
    },
  })
  const ofRoutes = derive<ForWaypoint<Routes>, LabelNeed>(graph, {
    name: 'labels that routes need',
    from: routes,
    keyOf: nameOf,
    derive: ({ name, waypoint, resource }) => {
      const http = (resource.http ?? []).flatMap(({ matches }) => matches.map(({ source }) => source))
      const tcp = (resource.tcp ?? []).flatMap(({ matches }) => matches.map(({ source }) => source))
      const keys = [...new Set([...http, ...tcp].flatMap((source) => Object.keys(source?.labels ?? {})))]
      return keys.length === 0 ? [] : [{ name, waypoint, of: EVERYBODY, keys }]
    },
  })
  const needs = indexBy(join(graph, 'labels that are needed', [ofClusters, ofRoutes]), 'needs by service', ({ of }) => [
    of,
  ])
  const labelsOf = (uid: string, labels: Readonly<Record<string, string>>, fetch: Fetch) => {
    const services = fetch.one(mesh.workloads, uid)?.services.keys() ?? []
    const wanted = new Map<string, Set<string>>()
    for (const { waypoint, keys } of [EVERYBODY, ...services].flatMap((service) => fetch.by(needs, service))) {
      const known = wanted.get(waypoint) ?? new Set()
      wanted.set(waypoint, known)
      for (const key of keys) known.add(key)
    }
    return [...wanted].flatMap(([waypoint, keys]): ForWaypoint<WorkloadLabels>[] => {
      const told = Object.fromEntries(
        [...keys].sort().flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])),
      )
      if (Object.keys(told).length === 0) return []
      return [{ waypoint, name: `${waypoint}/${uid}`, resource: { uid, labels: told } }]
    })
  }
  const ofPods = derive<Pod, ForWaypoint<WorkloadLabels>>(graph, {
    name: 'labels of pods for waypoints',
    from: objects.pods,
    keyOf: nameOf,
    derive: (pod, fetch) => labelsOf(podUid(pod, settings), pod.metadata.labels, fetch),
  })
  const ofEntries = derive<WorkloadEntry, ForWaypoint<WorkloadLabels>>(graph, {
    name: 'labels of entries for waypoints',
    from: objects.workloadEntries,
    keyOf: nameOf,
    derive: (entry, fetch) => labelsOf(entryUid(entry, settings), entryLabels(entry), fetch),
  })
  const ofEndpoints = derive<ServiceEntry, ForWaypoint<WorkloadLabels>>(graph, {
    name: 'labels of endpoints for waypoints',
    from: objects.serviceEntries,
    keyOf: nameOf,
    derive: (entry, fetch) =>
      entry.spec.endpoints.flatMap((endpoint) =>
        labelsOf(endpointUid(entry, endpoint, settings), endpoint.labels, fetch),
      ),
  })
  return join(graph, 'labels for waypoints', [ofPods, ofEntries, ofEndpoints])
}

/** `key` or `key=value`. */
function labelOf(word: string): string {
  return word.split('=', 1)[0] ?? word
}
