import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Crd } from '../../../../../src/local/apiserver/crd/crd-types.ts'
import { readMeshCrds } from '../../../../../src/local/apiserver/crd/index.ts'
import type { ApiObject, Schema } from '../../../../../src/local/apiserver/index.ts'
import { CRD_FOLDER, meshRegistry, refusal, takeCrd } from '../../../../support/mesh-kinds.ts'

const crds = readMeshCrds(CRD_FOLDER)
const registry = meshRegistry()

/** Fields below a schema that kubectl explain would have nothing to say about. */
function undescribed(schema: Schema, path: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, each]) => {
    const at = `${path}.${name}`
    const inner = each.items ?? (typeof each.additionalProperties === 'object' ? each.additionalProperties : each)
    return [...(each.description === undefined ? [at] : []), ...undescribed(inner, at)]
  })
}

describe.each(crds.map((crd) => [crd.metadata.name, crd] as const))('%s', (_, document) => {
  const crd = takeCrd(document) as Crd

  test('is a valid definition', () => {
    expect(crd).toMatchObject({ status: { conditions: [{ type: 'NamesAccepted' }, { type: 'Established' }] } })
  })

  test('says of every field what it is', () => {
    for (const version of crd.spec.versions) {
      const schema = version.schema?.openAPIV3Schema ?? {}
      expect(schema.description).toBeTruthy()
      expect(undescribed(schema, '')).toEqual([])
    }
  })
})

test('names stay those that users know', () => {
  const short = registry.definitions().flatMap(({ shortNames, kind }) => shortNames.map((name) => `${name}: ${kind}`))
  expect(short).toEqual([
    'gc: GatewayClass',
    'gtw: Gateway',
    'refgrant: ReferenceGrant',
    'dr: DestinationRule',
    'se: ServiceEntry',
    'vs: VirtualService',
    'we: WorkloadEntry',
    'ap: AuthorizationPolicy',
    'pa: PeerAuthentication',
    'ra: RequestAuthentication',
    'telemetry: Telemetry',
    'saz: ServerAuthorization',
    'serverauthz: ServerAuthorization',
    'srvauthz: ServerAuthorization',
    'srv: Server',
  ])
})

test('a kind is stored in a version that the older releases of its own files have as well', () => {
  const stored = registry.definitions().map(({ kind, storageVersion }) => `${kind}: ${storageVersion}`)
  expect(stored.filter((each) => /^(TLS|TCP|GRPC|HTTP)Route|^ReferenceGrant/.test(each)).sort()).toEqual([
    'GRPCRoute: v1',
    'HTTPRoute: v1',
    'HTTPRoute: v1beta3',
    'ReferenceGrant: v1beta1',
    'TCPRoute: v1alpha2',
    'TLSRoute: v1alpha2',
  ])
})

test('each kind is served in the versions that users write', () => {
  const served = registry
    .definitions()
    .map(({ group, kind, versions }) => `${kind}.${group}: ${versions.map(({ name }) => name).join(' ')}`)
  expect(served).toEqual([
    'RateLimit.ambit.dev: v1alpha1',
    'GatewayClass.gateway.networking.k8s.io: v1 v1beta1',
    'Gateway.gateway.networking.k8s.io: v1 v1beta1',
    'GRPCRoute.gateway.networking.k8s.io: v1',
    'HTTPRoute.gateway.networking.k8s.io: v1 v1beta1',
    'ReferenceGrant.gateway.networking.k8s.io: v1 v1beta1',
    'TCPRoute.gateway.networking.k8s.io: v1alpha2',
    'TLSRoute.gateway.networking.k8s.io: v1alpha3 v1alpha2',
    'DestinationRule.networking.istio.io: v1 v1beta1 v1alpha3',
    'ServiceEntry.networking.istio.io: v1 v1beta1 v1alpha3',
    'Sidecar.networking.istio.io: v1 v1beta1 v1alpha3',
    'VirtualService.networking.istio.io: v1 v1beta1 v1alpha3',
    'WorkloadEntry.networking.istio.io: v1 v1beta1 v1alpha3',
    'AuthorizationPolicy.security.istio.io: v1 v1beta1',
    'PeerAuthentication.security.istio.io: v1 v1beta1',
    'RequestAuthentication.security.istio.io: v1 v1beta1',
    'Telemetry.telemetry.istio.io: v1 v1alpha1',
    'Canary.flagger.app: v1beta1',
    'MetricTemplate.flagger.app: v1beta1',
    'HTTPRoute.policy.linkerd.io: v1beta3 v1beta2 v1beta1 v1alpha1',
    'ServerAuthorization.policy.linkerd.io: v1beta1 v1alpha1',
    'Server.policy.linkerd.io: v1beta3 v1beta2 v1beta1',
  ])
})

describe('what an object says is checked', () => {
  const gateway = 'apiVersion: gateway.networking.k8s.io/v1\nkind: '
  const istio = (group: string, kind: string): string => `apiVersion: ${group}.istio.io/v1\nkind: ${kind}`
  const rows: readonly (readonly [string, string, string, readonly string[]])[] = [
    [
      'a waypoint',
      `${gateway}Gateway`,
      '{ gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }',
      [],
    ],
    [
      'two listeners of one name',
      `${gateway}Gateway`,
      '{ gatewayClassName: x, listeners: [{ name: a, port: 80, protocol: HTTP }, { name: a, port: 81, protocol: HTTP }] }',
      ['spec.listeners[1]: Duplicate value: {"name":"a"}'],
    ],
    [
      'two listeners at one port',
      `${gateway}Gateway`,
      '{ gatewayClassName: x, listeners: [{ name: a, port: 80, protocol: HTTP }, { name: b, port: 80, protocol: HTTP }] }',
      ['spec.listeners: Invalid value: "array": two listeners have the same port, protocol and hostname'],
    ],
    [
      'a route of a service',
      `${gateway}HTTPRoute`,
      '{ parentRefs: [{ group: "", kind: Service, name: cart, port: 80 }], rules: [{ backendRefs: [{ name: cart-v1, port: 80, weight: 9 }, { name: cart-v2, port: 80, weight: 1 }] }] }',
      [],
    ],
    [
      'a backend without port',
      `${gateway}HTTPRoute`,
      '{ rules: [{ backendRefs: [{ name: cart }] }] }',
      ['spec.rules[0].backendRefs[0]: Invalid value: "object": a Service needs a port'],
    ],
    [
      'a filter without its field',
      `${gateway}HTTPRoute`,
      '{ rules: [{ filters: [{ type: RequestMirror }] }] }',
      [
        'spec.rules[0].filters[0]: Invalid value: "object": requestMirror belongs to filters of type RequestMirror, and is needed there',
      ],
    ],
    [
      'a path with two slashes',
      `${gateway}HTTPRoute`,
      '{ rules: [{ matches: [{ path: { value: //x } }] }] }',
      ['spec.rules[0].matches[0].path: Invalid value: "object": a path begins with / and has no // in it'],
    ],
    [
      'ReplacePrefixMatch with the match that is there by default',
      `${gateway}HTTPRoute`,
      '{ rules: [{ filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: /x } } }] }] }',
      [],
    ],
    [
      'a time-out per try above that of the request',
      `${gateway}HTTPRoute`,
      '{ rules: [{ timeouts: { request: 1s, backendRequest: 2s } }] }',
      ['spec.rules[0].timeouts: Invalid value: "object": backendRequest cannot be longer than request'],
    ],
    [
      'one parent twice',
      `${gateway}GRPCRoute`,
      '{ parentRefs: [{ name: a }, { name: a }] }',
      ['spec.parentRefs: Invalid value: "array": a parent stands twice; tell its parts apart by sectionName or port'],
    ],
    [
      'no name of a gRPC method',
      `${gateway}GRPCRoute`,
      '{ rules: [{ matches: [{ method: { service: a.B, method: "c d" } }] }] }',
      ['spec.rules[0].matches[0].method: Invalid value: "object": method is no name of a gRPC method'],
    ],
    [
      'a selector beside targetRefs',
      istio('security', 'AuthorizationPolicy'),
      '{ selector: { matchLabels: { a: b } }, targetRefs: [{ kind: Service, group: "", name: x }] }',
      ['spec: Invalid value: "object": only one of selector, targetRef and targetRefs can be set'],
    ],
    [
      'a policy that does not match anything in a place',
      istio('security', 'AuthorizationPolicy'),
      '{ action: DENYY }',
      ['spec.action: Unsupported value: "DENYY": supported values: "ALLOW", "DENY", "AUDIT", "CUSTOM"'],
    ],
    [
      'port modes without a selector',
      istio('security', 'PeerAuthentication'),
      '{ portLevelMtls: { "8080": { mode: DISABLE } } }',
      ['spec: Invalid value: "object": portLevelMtls needs a selector, since ports belong to workloads'],
    ],
    [
      'port modes of a workload',
      istio('security', 'PeerAuthentication'),
      '{ selector: { matchLabels: { app: a } }, portLevelMtls: { "8080": { mode: DISABLE } } }',
      [],
    ],
    [
      'keys at an address that is none',
      istio('security', 'RequestAuthentication'),
      '{ jwtRules: [{ issuer: a, jwksUri: "ftp://keys" }] }',
      ['spec.jwtRules[0].jwksUri: Invalid value: "string": must be an address with http or https'],
    ],
    [
      'a string match of two kinds',
      istio('networking', 'VirtualService'),
      '{ hosts: [a], http: [{ match: [{ uri: { exact: /a, prefix: /b } }] }] }',
      [
        'spec.http[0].match[0].uri: Invalid value: {"exact":"/a","prefix":"/b"}: spec.http[0].match[0].uri in body must validate one and only one schema (oneOf). Found 2 valid alternatives',
      ],
    ],
    [
      'a time-out without unit',
      istio('networking', 'VirtualService'),
      '{ hosts: [a], http: [{ timeout: "5" }] }',
      [
        `spec.http[0].timeout: Invalid value: "5": spec.http[0].timeout in body should match '^([0-9]{1,9}(\\.[0-9]{1,9})?(h|ms|m|s|us|ns))+$'`,
      ],
    ],
    [
      'endpoints beside a selector',
      istio('networking', 'ServiceEntry'),
      '{ hosts: [a.example], endpoints: [{ address: 10.0.0.1 }], workloadSelector: { labels: { a: b } } }',
      ['spec: Invalid value: "object": endpoints and workloadSelector cannot both be set'],
    ],
    [
      'an external service',
      istio('networking', 'ServiceEntry'),
      '{ hosts: [api.example.com], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS, location: MESH_EXTERNAL }',
      [],
    ],
    [
      'a virtual machine',
      istio('networking', 'WorkloadEntry'),
      '{ address: 10.0.0.9, labels: { app: db }, ports: { mysql: 3306 }, serviceAccount: db }',
      [],
    ],
    [
      'a share above all',
      'apiVersion: telemetry.istio.io/v1\nkind: Telemetry',
      '{ tracing: [{ randomSamplingPercentage: 101 }] }',
      [
        'spec.tracing[0].randomSamplingPercentage: Invalid value: 101: spec.tracing[0].randomSamplingPercentage in body should be less than or equal to 100',
      ],
    ],
    [
      'a Canary without an analysis',
      'apiVersion: flagger.app/v1beta1\nkind: Canary',
      '{ targetRef: { apiVersion: apps/v1, kind: Deployment, name: a } }',
      ['spec.analysis: Required value'],
    ],
  ]
  test.each(rows)('%s', (_, head, spec, expected) => {
    const document = parse(`${head}\nmetadata: { name: a }\nspec: ${spec}`) as ApiObject
    expect(refusal(registry, document)).toEqual(expected)
  })

  test('the controller of a class cannot be changed', () => {
    const of = (controllerName: string): ApiObject => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'a' },
      spec: { controllerName },
    })
    expect(refusal(registry, of('istio.io/mesh-controller'))).toEqual([])
    expect(refusal(registry, of('x.io/y'), of('istio.io/mesh-controller'))).toEqual([
      'spec.controllerName: Invalid value: "string": controllerName cannot be changed',
    ])
  })
})
