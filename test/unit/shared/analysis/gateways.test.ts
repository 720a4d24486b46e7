import { describe, expect, it } from 'vitest'
import { gateways } from '../../../../src/shared/analysis/gateways.ts'
import { findingsOf, WEB } from '../../../support/analysed.ts'

const gateway = (name: string): string => `kind: Gateway\nmetadata: {name: g}\nspec: {gatewayClassName: ${name}}\n`
const route = (spec: string, name = 'r', namespace = 'shop', time = ''): string =>
  `---\nkind: HTTPRoute\nmetadata: {name: ${name}, namespace: ${namespace}${time === '' ? '' : `, creationTimestamp: "${time}"`}}\nspec: ${spec}\n`
const toWeb = '{parentRefs: [{group: "", kind: Service, name: web}], rules: [{backendRefs: [{name: web, port: 80}]}]}'
const across =
  WEB + route('{parentRefs: [], rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]}', 'r', 'other')
const grant = (more: string): string => `---
kind: ReferenceGrant
metadata: {name: g}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}], to: [{group: "", kind: Service${more}}]}
`
const match = (path: string, hosts = ''): string =>
  `{${hosts}parentRefs: [{group: "", kind: Service, name: web}], rules: [{matches: [{path: {type: PathPrefix, value: ${path}}}]}]}`
const at = 'HTTPRoute shop/r'

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['a Gateway of a known class', gateway('istio'), []],
  ['a Gateway of a class that is there', `${gateway('edge')}---\nkind: GatewayClass\nmetadata: {name: edge}\n`, []],
  ['a Gateway of a class that is not there', gateway('edge'), ['AMB0501 Gateway shop/g spec.gatewayClassName']],
  [
    'a Gateway without a class',
    'kind: Gateway\nmetadata: {name: g}\nspec: {}',
    ['AMB0501 Gateway shop/g spec.gatewayClassName'],
  ],
  ['a route of a service', WEB + route(toWeb), []],
  ['a route of nobody', WEB + route('{parentRefs: [{name: edge}]}'), [`IST0101 ${at} spec.parentRefs[0]`]],
  [
    'a route to nobody',
    WEB + route('{rules: [{backendRefs: [{name: gone, port: 80}]}]}'),
    [`IST0101 ${at} spec.rules[0].backendRefs[0]`],
  ],
  [
    'a route to a port that is not there',
    WEB + route('{rules: [{backendRefs: [{name: web, port: 81}]}]}'),
    [`IST0101 ${at} spec.rules[0].backendRefs[0].port`],
  ],
  [
    'a route without a port',
    WEB + route('{rules: [{backendRefs: [{name: web}]}]}'),
    [`IST0112 ${at} spec.rules[0].backendRefs[0]`],
  ],
  [
    'a route whose weights are 0',
    WEB + route('{rules: [{backendRefs: [{name: web, port: 80, weight: 0}]}]}'),
    [`AMB0102 ${at} spec.rules[0].backendRefs`],
  ],
  ['a route across namespaces', across, ['AMB0503 HTTPRoute other/r spec.rules[0].backendRefs[0]']],
  ['a route across namespaces that is granted', across + grant(''), []],
  ['a route across namespaces that is granted to that name', across + grant(', name: web'), []],
  [
    'a route across namespaces that is granted to another name',
    across + grant(', name: cart'),
    ['AMB0503 HTTPRoute other/r spec.rules[0].backendRefs[0]'],
  ],
  [
    'two routes with one match: the younger does not count',
    WEB +
      route(match('/a'), 'r', 'shop', '2026-01-02T00:00:00Z') +
      route(match('/a'), 'z', 'shop', '2026-01-01T00:00:00Z'),
    [`AMB0504 ${at} spec.rules[0].matches[0]`],
  ],
  [
    'two routes of one age: the first by name counts',
    WEB + route(match('/a')) + route(match('/a'), 'z'),
    ['AMB0504 HTTPRoute shop/z spec.rules[0].matches[0]'],
  ],
  ['two routes with other matches', WEB + route(match('/a')) + route(match('/b'), 'z'), []],
  [
    'two routes with other hosts',
    WEB + route(match('/a', 'hostnames: [a.b], ')) + route(match('/a', 'hostnames: [c.d], '), 'z'),
    [],
  ],
  [
    'a route without match beside one for everything',
    WEB + route(toWeb) + route(match('/'), 'z'),
    ['AMB0504 HTTPRoute shop/z spec.rules[0].matches[0]'],
  ],
]

describe('the Gateway API: ', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(gateways, yaml)).toEqual(found))
})
