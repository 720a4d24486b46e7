import { destinationRuleBody } from './destination-rule-kind.ts'
import type { KindReader } from './kinds.ts'
import { rateLimitBody, requestAuthenticationBody, telemetryBody } from './request-kinds.ts'
import { grpcRouteBody, httpRouteBody, tcpRouteBody, tlsRouteBody } from './route-kinds.ts'
import { virtualServiceBody } from './virtual-service-kind.ts'

const ISTIO_NETWORKING = [
  'networking.istio.io/v1',
  'networking.istio.io/v1beta1',
  'networking.istio.io/v1alpha3',
] as const
const GATEWAY_API = 'gateway.networking.k8s.io'

/** What waypoints do with requests. */
export const trafficKinds: readonly KindReader[] = [
  {
    kind: 'HTTPRoute',
    apiVersions: [`${GATEWAY_API}/v1`, `${GATEWAY_API}/v1beta1`],
    namespaced: true,
    resource: 'httproutes',
    body: httpRouteBody,
  },
  {
    kind: 'GRPCRoute',
    apiVersions: [`${GATEWAY_API}/v1`, `${GATEWAY_API}/v1alpha2`],
    namespaced: true,
    resource: 'grpcroutes',
    body: grpcRouteBody,
  },
  {
    kind: 'TCPRoute',
    apiVersions: [`${GATEWAY_API}/v1alpha2`, `${GATEWAY_API}/v1`],
    namespaced: true,
    resource: 'tcproutes',
    body: tcpRouteBody,
  },
  {
    kind: 'TLSRoute',
    apiVersions: [`${GATEWAY_API}/v1alpha2`, `${GATEWAY_API}/v1alpha3`, `${GATEWAY_API}/v1`],
    namespaced: true,
    resource: 'tlsroutes',
    body: tlsRouteBody,
  },
  {
    kind: 'VirtualService',
    apiVersions: ISTIO_NETWORKING,
    namespaced: true,
    resource: 'virtualservices',
    body: virtualServiceBody,
  },
  {
    kind: 'DestinationRule',
    apiVersions: ISTIO_NETWORKING,
    namespaced: true,
    resource: 'destinationrules',
    body: destinationRuleBody,
  },
  {
    kind: 'RequestAuthentication',
    apiVersions: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
    namespaced: true,
    resource: 'requestauthentications',
    body: requestAuthenticationBody,
  },
  {
    kind: 'Telemetry',
    apiVersions: ['telemetry.istio.io/v1', 'telemetry.istio.io/v1alpha1'],
    namespaced: true,
    resource: 'telemetries',
    body: telemetryBody,
  },
  {
    kind: 'RateLimit',
    apiVersions: ['ambit.dev/v1alpha1'],
    namespaced: true,
    resource: 'ratelimits',
    body: rateLimitBody,
  },
]
