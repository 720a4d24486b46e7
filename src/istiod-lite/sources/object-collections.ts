import {
  type AuthorizationPolicy,
  type EndpointSlice,
  type Gateway,
  type GatewayClass,
  type Namespace,
  type Node,
  type ObjectOf,
  type ObjectSource,
  objectKey,
  type PeerAuthentication,
  type Pod,
  type ReferenceGrant,
  type Service,
} from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import { type Collection, type Graph, source } from '../collections/index.ts'

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
}

/** Keeps collections equal to what a source of objects tells, until closed. */
export function collectObjects(
  graph: Graph,
  objects: ObjectSource,
): { readonly collections: ObjectCollections } & Closer {
  const ends: (() => void)[] = []
  const follow = <K extends string>(kind: K): Collection<ObjectOf<K>> => {
    const collection = source<ObjectOf<K>>(graph, kind)
    ends.push(
      objects.subscribe(kind, ({ type, object }) => {
        if (type === 'deleted') collection.delete(objectKey(object))
        else collection.set(objectKey(object), object)
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
  }
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0)) end()
  }
  return { collections, close }
}
