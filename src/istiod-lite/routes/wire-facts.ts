import type { DestinationRule, ReferenceGrant } from '#shared/k8s'
import type { Service } from '#shared/model'
import { type Collection, derive, type Fetch, type Graph, indexBy } from '../collections/index.ts'
import type { Mesh, MeshSettings } from '../mesh/index.ts'
import type { ObjectCollections } from '../sources/index.ts'
import { type HostRule, hostRule } from './destination-rules.ts'
import { hostPatterns, resolveHost } from './hosts.ts'
import { type Served, servedKey } from './scope.ts'
import type { VirtualServiceFacts } from './virtual-services.ts'

export interface RouteParts {
  readonly graph: Graph
  readonly objects: ObjectCollections
  readonly mesh: Mesh
  readonly settings: MeshSettings
}

/** What routes, clusters and verdicts look things up with. */
export interface WiredFacts {
  /** Which waypoint serves what, by `<waypoint>/<service>`. */
  readonly served: Collection<Served>
  /** For who asks from that namespace. */
  factsFor(client: string, fetch: Fetch): VirtualServiceFacts
  ruleFor(service: Pick<Service, 'namespace' | 'hostname'>, client: string, fetch: Fetch): HostRule | undefined
}

const GATEWAY_GROUP = 'gateway.networking.k8s.io'

export function wireFacts({ graph, objects, mesh, settings }: RouteParts): WiredFacts {
  const { clusterDomain, rootNamespace } = settings
  const served = derive<Service, Served>(graph, {
    name: 'services of waypoints',
    from: mesh.services,
    keyOf: servedKey,
    derive: (service, fetch) => {
      const key = `${service.namespace}/${service.name}`
      const isKube = service.hostname === resolveHost(service.name, service.namespace, clusterDomain)
      const kind = isKube ? 'Service' : 'ServiceEntry'
      const binding = fetch.one(mesh.waypointBindings, `${kind} ${key}`)
      if (binding === undefined || binding.waypoints.length === 0) return []
      const ports = isKube
        ? fetch.one(objects.services, key)?.spec.ports.map(({ name, port }) => [port, name] as const)
        : fetch.one(objects.serviceEntries, key)?.spec.ports.map(({ name, number }) => [number, name] as const)
      const portNames = new Map(ports)
      return binding.waypoints.map((waypoint) => {
        const client = waypoint.slice(0, waypoint.indexOf('/'))
        return { waypoint, client, service, origin: { kind, key }, portNames }
      })
    },
  })
  const byHostname = indexBy(mesh.services, 'services by hostname', ({ hostname }) => [hostname])
  const rulesByHost = indexBy<DestinationRule>(
    objects.destinationRules,
    'destination rules by host',
    ({ metadata, spec }) => [resolveHost(spec.host, metadata.namespace, clusterDomain)],
  )
  const grantsByNamespace = indexBy<ReferenceGrant>(objects.referenceGrants, 'grants by namespace', ({ metadata }) => [
    metadata.namespace,
  ])
  const ruleFor: WiredFacts['ruleFor'] = ({ namespace, hostname }, client, fetch) =>
    hostRule({
      client,
      service: namespace,
      root: rootNamespace,
      candidates: hostPatterns(hostname).map((pattern) => fetch.by(rulesByHost, pattern)),
    })
  return {
    served,
    ruleFor,
    factsFor: (client, fetch) => ({
      clusterDomain,
      serviceOf: (hostname) => {
        const named = fetch.by(byHostname, hostname)
        return named.find(({ namespace }) => namespace === client) ?? named.find(({ canonical }) => canonical)
      },
      hasSubset: (service, subset) => ruleFor(service, client, fetch)?.subsets.has(subset) === true,
      isGranted: (from, to) =>
        fetch
          .by(grantsByNamespace, to.namespace)
          .some(
            ({ spec }) =>
              spec.from.some(
                ({ group, kind, namespace }) =>
                  group === GATEWAY_GROUP && kind === from.kind && namespace === from.namespace,
              ) &&
              spec.to.some(
                ({ group, kind, name }) => group === '' && kind === 'Service' && (name ?? to.name) === to.name,
              ),
          ),
      virtualServiceOf: (key) => fetch.one(objects.virtualServices, key),
    }),
  }
}
