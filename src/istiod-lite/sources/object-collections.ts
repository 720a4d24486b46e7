import type {
  AuthorizationPolicy,
  EndpointSlice,
  Gateway,
  GatewayClass,
  MeshConfig,
  Namespace,
  Node,
  ObjectOf,
  ObjectSource,
  PeerAuthentication,
  Pod,
  ReferenceGrant,
  Service,
  ServiceEntry,
  WorkloadEntry,
} from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import { type Collection, type Graph, source } from '../collections/index.ts'
import { DiscoveredObjects, Discovery, MESH_CONFIG_NAME } from './discovery.ts'

/** The kinds that the mesh is derived from, each by `namespace/name`. */
export interface ObjectCollections {
  readonly namespaces: Collection<Namespace>
  readonly nodes: Collection<Node>
  readonly pods: Collection<Pod>
  readonly services: Collection<Service>
  readonly endpointSlices: Collection<EndpointSlice>
  readonly peerAuthentications: Collection<PeerAuthentication>
  readonly authorizationPolicies: Collection<AuthorizationPolicy>
  readonly gatewayClasses: Collection<GatewayClass>
  readonly gateways: Collection<Gateway>
  readonly referenceGrants: Collection<ReferenceGrant>
  readonly serviceEntries: Collection<ServiceEntry>
  readonly workloadEntries: Collection<WorkloadEntry>
  /** Every ConfigMap that is followed; see `meshConfigKey` for the one that counts. */
  readonly meshConfigs: Collection<MeshConfig>
}

/** Where the mesh's settings are among `meshConfigs`. */
export function meshConfigKey(rootNamespace: string): string {
  return `${rootNamespace}/${MESH_CONFIG_NAME}`
}

/** Keeps collections equal to what a source of objects tells of namespaces that belong to the mesh, until closed. */
export function collectObjects(
  graph: Graph,
  objects: ObjectSource,
  { rootNamespace }: { readonly rootNamespace: string },
): { readonly collections: ObjectCollections } & Closer {
  const ends: (() => void)[] = []
  const discovery = new Discovery(rootNamespace)
  ends.push(
    objects.subscribe('MeshConfig', ({ type, object }) => discovery.settingsChanged(object, type === 'deleted')),
    objects.subscribe('Namespace', ({ type, object }) => discovery.namespaceChanged(object, type === 'deleted')),
  )
  const follow = <K extends string>(kind: K): Collection<ObjectOf<K>> => {
    const collection = source<ObjectOf<K>>(graph, kind)
    const discovered = new DiscoveredObjects(discovery, collection)
    ends.push(
      objects.subscribe(kind, ({ type, object }) => {
        if (type === 'deleted') discovered.delete(object)
        else discovered.set(object)
      }),
    )
    return collection
  }
  const collections: ObjectCollections = {
    namespaces: follow('Namespace'),
    nodes: follow('Node'),
    pods: follow('Pod'),
    services: follow('Service'),
    endpointSlices: follow('EndpointSlice'),
    peerAuthentications: follow('PeerAuthentication'),
    authorizationPolicies: follow('AuthorizationPolicy'),
    gatewayClasses: follow('GatewayClass'),
    gateways: follow('Gateway'),
    referenceGrants: follow('ReferenceGrant'),
    serviceEntries: follow('ServiceEntry'),
    workloadEntries: follow('WorkloadEntry'),
    meshConfigs: follow('MeshConfig'),
  }
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0)) end()
  }
  return { collections, close }
}
