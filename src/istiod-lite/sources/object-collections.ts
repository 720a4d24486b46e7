import {
  type AuthorizationPolicy,
  type DestinationRule,
  type EndpointSlice,
  type Gateway,
  type GatewayClass,
  type GRPCRoute,
  type HTTPRoute,
  type Namespace,
  type Node,
  type ObjectOf,
  type ObjectSource,
  objectKey,
  type PeerAuthentication,
  type Pod,
  type RateLimitPolicy,
  type ReferenceGrant,
  type RequestAuthentication,
  type Service,
  type TCPRoute,
  type Telemetry,
  type TLSRoute,
  type VirtualService,
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
  readonly httpRoutes: Collection<HTTPRoute>
  readonly grpcRoutes: Collection<GRPCRoute>
  readonly tcpRoutes: Collection<TCPRoute>
  readonly tlsRoutes: Collection<TLSRoute>
  readonly virtualServices: Collection<VirtualService>
  readonly destinationRules: Collection<DestinationRule>
  readonly requestAuthentications: Collection<RequestAuthentication>
  readonly telemetries: Collection<Telemetry>
  readonly rateLimits: Collection<RateLimitPolicy>
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
    httpRoutes: follow('HTTPRoute'),
    grpcRoutes: follow('GRPCRoute'),
    tcpRoutes: follow('TCPRoute'),
    tlsRoutes: follow('TLSRoute'),
    virtualServices: follow('VirtualService'),
    destinationRules: follow('DestinationRule'),
    requestAuthentications: follow('RequestAuthentication'),
    telemetries: follow('Telemetry'),
    rateLimits: follow('RateLimit'),
  }
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0)) end()
  }
  return { collections, close }
}
