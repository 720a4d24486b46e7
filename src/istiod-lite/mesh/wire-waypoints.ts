import {
  type Gateway,
  type Service as KubeService,
  type ObjectMeta,
  objectKey,
  type ServiceEntry,
  type WorkloadEntry,
} from '#shared/k8s'
import type { GatewayAddress, Workload } from '#shared/model'
import { type Collection, derive, type Fetch, indexBy, join } from '../collections/index.ts'
import type { ObjectCondition } from './conditions.ts'
import { seenFrom } from './entry-hosts.ts'
import { accountOfEndpoint } from './entry-workloads.ts'
import {
  type NetworkGateway,
  networkGatewayAddress,
  networkGatewaysOf,
  networkGatewayUid,
  networkGatewayWorkload,
} from './network-gateways.ts'
import { type BindingFacts, bindService, bindWorkload, UNBOUND, type WaypointBinding } from './waypoint-binding.ts'
import { accountOf, GATEWAY_NAME, type Waypoint, waypointKey, waypointOf } from './waypoints.ts'
import { conditionKey, some, type WireParts } from './wire-parts.ts'

/** What asks for a waypoint, and what it gets. Pods ask, too, but are told nothing. */
export interface ServiceBinding extends WaypointBinding {
  readonly kind: 'Service' | 'ServiceEntry' | 'WorkloadEntry'
  /** `namespace/name`. */
  readonly key: string
}

export interface WiredWaypoints {
  /** Those that are ready, by `namespace/name`. */
  readonly waypoints: Collection<Waypoint>
  /** Of everything that asks for a waypoint, by `<kind> <namespace>/<name>`. */
  readonly bindings: Collection<ServiceBinding>
  readonly conditions: Collection<ObjectCondition>
  /** Gateways to other networks, as workloads. */
  readonly gatewayWorkloads: Collection<Workload>
  /** What `bindService` and `bindWorkload` look at for an object of this namespace. */
  factsFor(namespace: string, fetch: Fetch): BindingFacts
  /** The waypoint of which somebody with these labels is an instance. */
  instanceOf(meta: Pick<ObjectMeta, 'namespace' | 'labels'>, fetch: Fetch): Waypoint | undefined
  /** How a network is reached from others. */
  gatewayOf(network: string, fetch: Fetch): GatewayAddress | undefined
}

/** Which Gateways are waypoints, who uses them, and which lead to other networks. */
export function wireWaypoints({ graph, objects, settings, network, meshConfig }: WireParts): WiredWaypoints {
  const waypoints = derive<Gateway, Waypoint>(graph, {
    name: 'waypoints',
    from: objects.gateways,
    keyOf: waypointKey,
    derive: (gateway, fetch) => {
      const gatewayClass = fetch.one(objects.gatewayClasses, gateway.spec.gatewayClassName)
      return some(waypointOf(gateway, gatewayClass, fetch.value(network)))
    },
  })
  const gatewaysByAccount = indexBy(objects.gateways, 'gateways by account', (gateway) => some(accountOf(gateway)))
  const factsFor = (namespace: string, fetch: Fetch): BindingFacts => ({
    namespace: fetch.one(objects.namespaces, namespace),
    waypointOf: (key) => fetch.one(waypoints, key),
    waypointOfAccount: (account) => {
      const [first] = fetch.by(gatewaysByAccount, account)
      return first === undefined ? undefined : objectKey(first)
    },
  })
  const instanceOf: WiredWaypoints['instanceOf'] = ({ namespace, labels }, fetch) => {
    const name = labels[GATEWAY_NAME]
    return name === undefined ? undefined : fetch.one(waypoints, `${namespace}/${name}`)
  }
  const ofServices = derive<KubeService, ServiceBinding>(graph, {
    name: 'waypoints of services',
    from: objects.services,
    keyOf: bindingKey,
    derive: (service, fetch) => {
      if (service.spec.type === 'ExternalName') return []
      const binding = bindService(service.metadata, factsFor(service.metadata.namespace, fetch))
      return binding === UNBOUND ? [] : [{ kind: 'Service', key: objectKey(service), ...binding }]
    },
  })
  const ofServiceEntries = derive<ServiceEntry, ServiceBinding>(graph, {
    name: 'waypoints of entries',
    from: objects.serviceEntries,
    keyOf: bindingKey,
    derive: (entry, fetch) => {
      const { namespace } = entry.metadata
      const visibility = meshConfig.visibilityIn(namespace, fetch)
      if (visibility === 'NONE') return []
      const binding = bindService(entry.metadata, factsFor(namespace, fetch), seenFrom(visibility))
      return binding === UNBOUND ? [] : [{ kind: 'ServiceEntry', key: objectKey(entry), ...binding }]
    },
  })
  const ofWorkloadEntries = derive<WorkloadEntry, ServiceBinding>(graph, {
    name: 'waypoints of workload entries',
    from: objects.workloadEntries,
    keyOf: bindingKey,
    derive: (entry, fetch) => {
      // An instance of a waypoint has none, and asks for none.
      if (instanceOf(entry.metadata, fetch) !== undefined) return []
      const binding = bindWorkload(
        entry.metadata,
        accountOfEndpoint(entry.spec),
        factsFor(entry.metadata.namespace, fetch),
      )
      return binding === UNBOUND ? [] : [{ kind: 'WorkloadEntry', key: objectKey(entry), ...binding }]
    },
  })
  const bindings = join(graph, 'waypoint bindings', [ofServices, ofServiceEntries, ofWorkloadEntries])
  const conditions = derive<ServiceBinding, ObjectCondition>(graph, {
    name: 'conditions of bindings',
    from: bindings,
    keyOf: conditionKey,
    derive: ({ kind, key, condition }) => (condition === undefined ? [] : [{ kind, key, condition }]),
  })
  const networkGateways = derive<Gateway, NetworkGateway>(graph, {
    name: 'network gateways',
    from: objects.gateways,
    keyOf: networkGatewayUid,
    derive: networkGatewaysOf,
  })
  const gatewaysByNetwork = indexBy(networkGateways, 'network gateways by network', (gateway) => [gateway.network])
  const gatewayWorkloads = derive<NetworkGateway, Workload>(graph, {
    name: 'network gateway workloads',
    from: networkGateways,
    keyOf: ({ uid }) => uid,
    derive: (gateway) => [networkGatewayWorkload(gateway, settings)],
  })
  return {
    waypoints,
    bindings,
    conditions,
    gatewayWorkloads,
    factsFor,
    instanceOf,
    gatewayOf: (id, fetch) => {
      const [first] = fetch.by(gatewaysByNetwork, id)
      return first === undefined ? undefined : networkGatewayAddress(first)
    },
  }
}

export function bindingKey({ kind, key }: Pick<ServiceBinding, 'kind' | 'key'>): string {
  return `${kind} ${key}`
}
