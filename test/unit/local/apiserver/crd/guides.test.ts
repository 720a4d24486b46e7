import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { ApiObject } from '../../../../../src/local/apiserver/index.ts'
import { meshRegistry, refusal } from '../../../../support/mesh-kinds.ts'

/** Manifests as tutorials on service meshes write them; some of them name fields that no mesh has. */
const TAKEN: readonly (readonly [string, string])[] = [
  [
    'a VirtualService that splits by weight, with time-out and retries',
    `
apiVersion: networking.istio.io/v1beta1
kind: VirtualService
metadata: { name: api-service }
spec:
  hosts: [api]
  http:
    - match: [{ uri: { prefix: /api } }]
      route:
        - destination: { host: api, subset: v1, port: { number: 8080 } }
          weight: 90
        - destination: { host: api, subset: v2, port: { number: 8080 } }
          weight: 10
      timeout: 30s
      retries: { attempts: 3, perTryTimeout: 10s }`,
  ],
  [
    'a PeerAuthentication of a namespace',
    `
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: { name: default }
spec: { mtls: { mode: STRICT } }`,
  ],
  [
    'a RequestAuthentication with the address of its keys',
    `
apiVersion: security.istio.io/v1beta1
kind: RequestAuthentication
metadata: { name: api-auth }
spec:
  jwtRules:
    - issuer: "https://auth.example.com"
      jwksUri: "https://auth.example.com/.well-known/jwks.json"`,
  ],
  [
    'an AuthorizationPolicy by principal, method and path',
    `
apiVersion: security.istio.io/v1beta1
kind: AuthorizationPolicy
metadata: { name: api-policy }
spec:
  rules:
    - from: [{ source: { principals: ["cluster.local/ns/default/sa/frontend"] } }]
      to: [{ operation: { methods: ["GET"], paths: ["/api/public/*"] } }]`,
  ],
  [
    'a Telemetry with a sampling rate',
    `
apiVersion: telemetry.istio.io/v1alpha1
kind: Telemetry
metadata: { name: observability }
spec:
  tracing: [{ providers: [{ name: jaeger }], randomSamplingPercentage: 100 }]`,
  ],
  [
    'a Canary with metrics and a webhook',
    `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: api-canary }
spec:
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: api }
  service: { port: 8080 }
  analysis:
    interval: 1m
    threshold: 5
    maxWeight: 50
    stepWeight: 5
    metrics:
      - { name: request-success-rate, thresholdRange: { min: 99 } }
      - { name: request-duration, thresholdRange: { max: 500 } }
    webhooks:
      - name: smoke-tests
        url: http://flagger-loadtester/
        timeout: 30s
        metadata: { type: smoke, cmd: "curl -sd 'test' http://api-canary:8080/api/health" }`,
  ],
  [
    'a DestinationRule that tunes connection pools',
    `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: { name: api }
spec:
  host: api
  trafficPolicy:
    connectionPool:
      tcp: { maxConnections: 1000 }
      http: { http1MaxPendingRequests: 500, maxRequestsPerConnection: 2, h2UpgradePolicy: UPGRADE }`,
  ],
  [
    'a VirtualService of old, without hosts, as another one delegates to',
    `
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: product-service }
spec:
  http:
    - route:
        - { destination: { host: product-service, subset: v2 }, weight: 10 }
        - { destination: { host: product-service, subset: v1 }, weight: 90 }`,
  ],
  [
    'a DestinationRule with subsets',
    `
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: { name: product-service }
spec:
  host: product-service
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }`,
  ],
  [
    'a VirtualService with faults',
    `
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: product-service }
spec:
  http:
    - fault:
        delay: { percentage: { value: 10.0 }, fixedDelay: 100ms }
        abort: { percentage: { value: 5.0 }, httpStatus: 503 }
      route: [{ destination: { host: product-service } }]`,
  ],
  [
    'a DestinationRule that breaks circuits',
    `
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: { name: order-service }
spec:
  host: order-service
  trafficPolicy:
    connectionPool: { http: { http1MaxPendingRequests: 100, http2MaxRequests: 1000 } }
    outlierDetection: { consecutive5xxErrors: 5, interval: 30s, baseEjectionTime: 30s, maxEjectionPercent: 50 }`,
  ],
  [
    'a VirtualService of today with retryOn',
    `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: payments }
spec:
  hosts: ["payments"]
  http:
    - route:
        - { destination: { host: payments, subset: v1 }, weight: 95 }
        - { destination: { host: payments, subset: v2 }, weight: 5 }
      retries: { attempts: 3, perTryTimeout: 2s, retryOn: "5xx,reset" }
      timeout: 6s`,
  ],
  [
    'a DestinationRule of today',
    `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: payments }
spec:
  host: payments
  trafficPolicy: { outlierDetection: { consecutive5xxErrors: 5, baseEjectionTime: 30s } }
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }`,
  ],
]

const REFUSED: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'a DestinationRule with a field that no outlier detection has',
    `
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: { name: api-service }
spec:
  host: api
  trafficPolicy:
    connectionPool: { http: { http1MaxPendingRequests: 100, http2MaxRequests: 1000, maxRequestsPerConnection: 2 } }
    loadBalancer: { simple: LEAST_REQUEST }
    outlierDetection:
      consecutive5xxErrors: 5
      interval: 30s
      baseEjectionTime: 30s
      minRequestVolume: 10
      splitExternalLocalOriginErrors: true
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }`,
    ['unknown field "spec.trafficPolicy.outlierDetection.minRequestVolume"'],
  ],
  [
    'a kind in a group that does not have it',
    `
apiVersion: networking.istio.io/v1beta1
kind: RequestAuthentication
metadata: { name: ratelimit }
spec:
  rules:
    - from: [{ source: { notNamespaces: ["istio-system"] } }]
      to: [{ operation: { methods: ["POST"] } }]
  action: CUSTOM
  providers: [{ name: ratelimit }]`,
    ['no matches for kind "RequestAuthentication" in version "networking.istio.io/v1beta1"'],
  ],
  [
    "Linkerd's Server with a protocol by another name",
    `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: { name: api-server }
spec:
  podSelector: { matchLabels: { app: api } }
  port: 8080
  protocol: http`,
    ['unknown field "spec.protocol"'],
  ],
  [
    "Linkerd's HTTPRoute with retries, which it has not",
    `
apiVersion: policy.linkerd.io/v1beta3
kind: HTTPRoute
metadata: { name: api-route }
spec:
  parentRefs: [{ name: api }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: /api } }]
      timeouts: { request: 30s }
      retries: { attempts: 3, backoff: exponential }`,
    ['unknown field "spec.rules[0].retries"'],
  ],
  [
    'a Sidecar, with the reason',
    `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default }
spec: { egress: [{ hosts: ["./*"] }] }`,
    [
      'spec: Forbidden: Sidecar is not supported, since an ambient mesh has no sidecars; limit what workloads may reach with an AuthorizationPolicy',
    ],
  ],
]

describe('manifests of the guides', () => {
  const registry = meshRegistry()
  // A manifest in this file is an object by its looks; whether it is a good one is what is tested.
  const read = (text: string): ApiObject => parse(text) as ApiObject

  test.each(TAKEN)('are taken: %s', (_, text) => {
    expect(refusal(registry, read(text))).toEqual([])
  })

  test.each(REFUSED)('are refused by name: %s', (_, text, expected) => {
    expect(refusal(registry, read(text))).toEqual(expected)
  })
})
