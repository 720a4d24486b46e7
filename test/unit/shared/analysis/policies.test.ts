import { describe, expect, it } from 'vitest'
import { MeshObjects } from '../../../../src/shared/analysis/mesh-objects.ts'
import { policies } from '../../../../src/shared/analysis/policies.ts'
import { analysed, findingsOf, WEB } from '../../../support/analysed.ts'

const AMBIENT = WEB.replace('{name: shop}', '{name: shop, labels: {istio.io/dataplane-mode: ambient}}')
const policy = (spec: string, base = AMBIENT, kind = 'AuthorizationPolicy', name = 'p'): string =>
  `${base}---\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`
const at = 'AuthorizationPolicy shop/p'
const GATEWAY = `---
kind: Gateway
metadata: {name: waypoint}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
`
const WITH_WAYPOINT =
  AMBIENT.replace(
    'metadata: {name: web}\nspec: {selector',
    'metadata: {name: web, labels: {istio.io/use-waypoint: waypoint}}\nspec: {selector',
  ) + GATEWAY
const get = '{rules: [{to: [{operation: {methods: [GET]}}]}]}'
const toService =
  '{targetRefs: [{group: "", kind: Service, name: web}], rules: [{to: [{operation: {methods: [GET]}}]}]}'

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  [
    'a principal, for a workload',
    policy(
      '{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/a]}}]}]}',
    ),
    [],
  ],
  [
    'a selector that matches nothing',
    policy('{selector: {matchLabels: {app: wob}}, rules: [{}]}'),
    [`IST0127 ${at} spec.selector.matchLabels`],
  ],
  ['a method, for a namespace of tunnels', policy(get), [`AMB0201 ${at} spec.rules[0].to[0].operation.methods`]],
  [
    'a token, for a workload of tunnels',
    policy(
      '{selector: {matchLabels: {app: web}}, action: DENY, rules: [{from: [{source: {notRequestPrincipals: ["*"]}}]}]}',
    ),
    [`AMB0201 ${at} spec.rules[0].from[0].source.notRequestPrincipals`],
  ],
  [
    'a header, as a condition',
    policy('{rules: [{when: [{key: "request.headers[x]", values: [a]}]}]}'),
    [`AMB0201 ${at} spec.rules[0].when[0].key`],
  ],
  ['an address, as a condition', policy('{rules: [{when: [{key: source.ip, values: [10.0.0.1]}]}]}'), []],
  ['a method, for a namespace with sidecars', policy(get, WEB), []],
  ['a method, for a service with a waypoint', policy(toService, WITH_WAYPOINT), []],
  ['a method, for a service without one', policy(toService), [`AMB0202 ${at} spec.targetRefs[0]`]],
  [
    'a service that is not there',
    policy('{targetRefs: [{kind: Service, name: wob}]}'),
    [`IST0101 ${at} spec.targetRefs[0]`],
  ],
  [
    'every waypoint',
    policy('{targetRefs: [{group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint}]}'),
    [],
  ],
  ['a DENY of nothing', policy('{action: DENY}'), [`AMB0204 ${at} spec`]],
  ['an ALLOW of nothing, which denies everything', policy('{}'), []],
  [
    'a scheme before a principal',
    policy('{rules: [{from: [{source: {principals: [spiffe://cluster.local/ns/a/sa/b]}}]}]}'),
    [`AMB0205 ${at} spec.rules[0].from[0].source.principals[0]`],
  ],
  [
    'a namespace that is not there',
    policy('{rules: [{from: [{source: {namespaces: [shop, gone, "te*"]}}]}]}'),
    [`IST0101 ${at} spec.rules[0].from[0].source.namespaces[1]`],
  ],
  [
    'tokens for tunnels',
    policy('{jwtRules: [{issuer: a}]}', AMBIENT, 'RequestAuthentication'),
    ['AMB0203 RequestAuthentication shop/p spec'],
  ],
  [
    'tokens for a service with a waypoint',
    policy(
      '{targetRefs: [{kind: Service, name: web}], jwtRules: [{issuer: a}]}',
      WITH_WAYPOINT,
      'RequestAuthentication',
    ),
    [],
  ],
  [
    'ports of mTLS without a selector',
    policy('{portLevelMtls: {8080: {mode: DISABLE}}}', AMBIENT, 'PeerAuthentication'),
    ['AMB0206 PeerAuthentication shop/p spec.portLevelMtls'],
  ],
  [
    'ports of mTLS of a workload',
    policy(
      '{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}}}',
      AMBIENT,
      'PeerAuthentication',
    ),
    [],
  ],
  [
    'two modes for one namespace',
    policy(
      '{mtls: {mode: STRICT}}',
      policy('{mtls: {mode: DISABLE}}', AMBIENT, 'PeerAuthentication'),
      'PeerAuthentication',
      'q',
    ),
    ['AMB0207 PeerAuthentication shop/p spec.selector', 'AMB0207 PeerAuthentication shop/q spec.selector'],
  ],
  [
    'a selector, in a set without workloads',
    '{kind: AuthorizationPolicy, metadata: {name: p}, spec: {selector: {matchLabels: {a: b}}, rules: [{}]}}',
    [],
  ],
]

describe('a policy with', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(policies, yaml)).toEqual(found))
})

it.each([
  ['ALLOW', 'the rule is left out, and allows nobody'],
  ['DENY', 'the field is left out: the rule matches more, or never where its list holds nothing else'],
])('what becomes of a %s with HTTP is told as tunnels do it', (action, consequence) => {
  const yaml = policy(`{action: ${action}, rules: [{to: [{operation: {methods: [GET]}}]}]}`)
  const reasons = [...policies(new MeshObjects(analysed(yaml)))].map(({ reason }) => reason)
  expect(reasons).toEqual([expect.stringMatching(new RegExp(`; ${consequence}$`))])
})
