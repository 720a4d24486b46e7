import type { GRPCRoute, HTTPRoute, ParentRef, TCPRoute, TLSRoute, VirtualService } from '#shared/k8s'
import type { HttpRule, Routes, TcpRule } from '#shared/l7'
import type { AppProtocol } from '#shared/model'
import type { Find } from './findings.ts'
import { grpcRouteRules, httpRouteRules, inOrder } from './gateway-routes.ts'
import { byAge } from './hosts.ts'
import { namesPort, parentKey, parentKeysOf, type Served } from './scope.ts'
import { streamRouteRules } from './stream-routes.ts'
import { type VirtualServiceFacts, virtualServiceRules, virtualServiceStreams } from './virtual-services.ts'

/** Everything that may say something of a service's traffic, in any order. */
export interface RouteObjects {
  readonly httpRoutes: readonly HTTPRoute[]
  readonly grpcRoutes: readonly GRPCRoute[]
  readonly tcpRoutes: readonly TCPRoute[]
  readonly tlsRoutes: readonly TLSRoute[]
  readonly virtualServices: readonly VirtualService[]
}

type Route = HTTPRoute | GRPCRoute | TCPRoute | TLSRoute

/** What was found is told elsewhere, once for each object. */
const untold: Find = () => {}

/**
 * The routes of one port; undefined when nobody says anything. Of several sorts of objects one counts: a Gateway API route
 * before any VirtualService; and of Gateway API routes those of the waypoint's namespace before those of the service's.
 */
export function portRoutes(
  served: Served,
  port: number,
  objects: RouteObjects,
  facts: VirtualServiceFacts,
): Routes | undefined {
  const protocol = served.service.ports.find(({ servicePort }) => servicePort === port)?.appProtocol
  const http = carriesHttp(protocol) ? httpRules(served, port, objects, facts) : undefined
  const tcp = carriesOther(protocol) ? tcpRules(served, port, objects, facts) : undefined
  if (http === undefined && tcp === undefined) return undefined
  const { namespace, hostname } = served.service
  return { namespace, hostname, port, http, tcp }
}

/** A port that says nothing may carry either. */
export function carriesHttp(protocol: AppProtocol | undefined): boolean {
  return protocol !== 'TCP' && protocol !== 'TLS'
}

export function carriesOther(protocol: AppProtocol | undefined): boolean {
  return protocol === undefined || protocol === 'TCP' || protocol === 'TLS'
}

function httpRules(
  served: Served,
  port: number,
  objects: RouteObjects,
  facts: VirtualServiceFacts,
): readonly HttpRule[] | undefined {
  const rules = gatewayHttpRules(served, port, objects, facts)
  if (rules.length > 0) return rules
  return joined(objects.virtualServices.map((object) => virtualServiceRules(object, port, facts, untold)))
}

/** What Gateway API routes say of a port; a route of which no rule is left is as good as none. */
export function gatewayHttpRules(
  served: Served,
  port: number,
  objects: Pick<RouteObjects, 'httpRoutes' | 'grpcRoutes'>,
  facts: VirtualServiceFacts,
): readonly HttpRule[] {
  const routes = ofFirstNamespace(served, [
    ...attached(objects.httpRoutes, served, port, facts),
    ...attached(objects.grpcRoutes, served, port, facts),
  ])
  const rules = routes.flatMap((route) =>
    route.kind === 'HTTPRoute'
      ? httpRouteRules(route, port, facts, untold)
      : grpcRouteRules(route, port, facts, untold),
  )
  return inOrder(rules)
}

/** TLS names are more specific than none. */
function tcpRules(
  served: Served,
  port: number,
  objects: RouteObjects,
  facts: VirtualServiceFacts,
): readonly TcpRule[] | undefined {
  const own = ofFirstNamespace(served, [
    ...attached(objects.tlsRoutes, served, port, facts),
    ...attached(objects.tcpRoutes, served, port, facts),
  ])
  if (own.length > 0) {
    const bySort = [...own].sort((a, b) => (a.kind === b.kind ? byAge(a, b) : a.kind === 'TLSRoute' ? -1 : 1))
    return bySort.flatMap((route) => streamRouteRules(route, facts, untold))
  }
  return joined(objects.virtualServices.map((object) => virtualServiceStreams(object, port, facts, untold)))
}

function attached<R extends Route>(
  routes: readonly R[],
  served: Served,
  port: number,
  facts: VirtualServiceFacts,
): readonly R[] {
  const keys = parentKeysOf(served)
  return routes.filter(({ metadata, spec }) =>
    spec.parentRefs.some((ref: ParentRef) => {
      const key = parentKey(ref, metadata.namespace, facts.clusterDomain)
      return key !== undefined && keys.includes(key) && namesPort(ref, port, served.portNames)
    }),
  )
}

/** Those of the waypoint's namespace, if there are some, else those of the service's; of any other none. */
function ofFirstNamespace<R extends Route>({ client, service }: Served, routes: readonly R[]): readonly R[] {
  const consumers = routes.filter(({ metadata }) => metadata.namespace === client)
  return consumers.length > 0 ? consumers : routes.filter(({ metadata }) => metadata.namespace === service.namespace)
}

function joined<R>(lists: readonly (readonly R[] | undefined)[]): readonly R[] | undefined {
  const said = lists.filter((list) => list !== undefined)
  return said.length === 0 ? undefined : said.flat()
}
