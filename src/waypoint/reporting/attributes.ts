import { formatConnectTarget } from '#shared/hbone'
import { formatSocketAddress } from '#shared/net'
import type { Resolve, Value } from './expression.ts'
import { destinationOf, type ExchangeFacts, pathOf, requestId, sourcePrincipal, userAgent } from './facts.ts'

type Attribute = (facts: ExchangeFacts) => Value

/** Envoy's and Istio's attributes that expressions may name; docs/waypoint-telemetry.md lists them. */
const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map<string, Attribute>([
  ['request.method', ({ exchange }) => exchange.request.method],
  ['request.path', ({ exchange }) => exchange.request.target],
  ['request.url_path', pathOf],
  ['request.host', ({ exchange }) => exchange.request.authority],
  ['request.scheme', ({ exchange }) => exchange.request.scheme],
  ['request.protocol', ({ exchange }) => exchange.request.version],
  ['request.useragent', userAgent],
  ['request.id', requestId],
  ['request.size', ({ exchange }) => exchange.requestBytes],
  ['response.code', ({ status }) => status],
  ['response.code_details', ({ reply }) => reply?.details],
  ['response.grpc_status', ({ grpcStatus }) => grpcStatus],
  ['response.size', ({ exchange }) => exchange.responseBytes],
  ['connection.mtls', ({ exchange }) => exchange.connection.peer !== undefined],
  ['source.address', ({ exchange }) => formatSocketAddress(exchange.connection.source)],
  ['source.principal', sourcePrincipal],
  ['source.namespace', ({ source }) => source?.namespace],
  ['source.workload', ({ source }) => source?.workloadName],
  ['source.app', ({ source }) => source?.canonicalName],
  ['source.version', ({ source }) => source?.canonicalRevision],
  ['source.cluster', ({ source }) => source?.clusterId],
  [
    'destination.address',
    ({ course }) => (course.picked === undefined ? undefined : formatConnectTarget(course.picked.endpoint.address)),
  ],
  ['destination.port', ({ exchange }) => exchange.connection.destination.port],
  ['destination.service', ({ service }) => service?.hostname],
  ['destination.service_name', ({ service }) => service?.name],
  ['destination.service_namespace', ({ service }) => service?.namespace],
  ['destination.namespace', (facts) => destinationOf(facts)?.namespace],
  ['destination.workload', (facts) => destinationOf(facts)?.workloadName],
  ['destination.app', (facts) => destinationOf(facts)?.canonicalName],
  ['destination.version', (facts) => destinationOf(facts)?.canonicalRevision],
  ['destination.cluster', (facts) => destinationOf(facts)?.clusterId],
  ['xds.route_name', ({ route }) => route?.name],
])

export const ATTRIBUTE_NAMES: readonly string[] = [...ATTRIBUTES.keys()]

export const resolveAttribute: Resolve<ExchangeFacts> = (name, key) => {
  if (key === undefined) return ATTRIBUTES.get(name)
  if (name !== 'request.headers') return undefined
  const header = key.toLowerCase()
  return ({ exchange }) => exchange.request.fields.get(header)
}
