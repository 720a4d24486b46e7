import { describe, expect, it } from 'vitest'
import { waypoints } from '../../../../src/shared/analysis/waypoints.ts'
import { findingsOf } from '../../../support/analysed.ts'

const using = (kind: string, labels: string): string =>
  `kind: ${kind}\nmetadata: {name: shop, labels: {istio.io/use-waypoint: w${labels}}}\n`
const gateway = (listener = '', labels = '', more = '', namespace = 'shop'): string => `---
kind: Gateway
metadata: {name: w, namespace: ${namespace}, labels: {${labels}}}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE${listener}}]}
${more}
`
const use = 'metadata.labels.istio.io/use-waypoint'
const elsewhere = ', istio.io/use-waypoint-namespace: infra'
const allow = (from: string): string => `, allowedRoutes: {namespaces: {${from}}}`

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['that is there', using('Service', '') + gateway(), []],
  ['of the namespace', using('Namespace', '') + gateway(), []],
  ['called none', 'kind: Service\nmetadata: {name: web, labels: {istio.io/use-waypoint: none}}', []],
  ['that is not there', using('Service', ''), [`AMB0301 Service shop/shop ${use}`]],
  ['of the namespace that is not there', using('Namespace', ''), [`AMB0301 Namespace shop ${use}`]],
  [
    'that is not programmed',
    using('Service', '') +
      gateway('', '', 'status: {conditions: [{type: Programmed, status: "False", message: no pods}]}'),
    [`AMB0302 Service shop/shop ${use}`],
  ],
  [
    'that is programmed',
    using('Service', '') + gateway('', '', 'status: {conditions: [{type: Programmed, status: "True"}]}'),
    [],
  ],
  [
    'for workloads, by a service',
    using('Service', '') + gateway('', 'istio.io/waypoint-for: workload'),
    [`AMB0303 Service shop/shop ${use}`],
  ],
  ['for services, by a pod', using('Pod', '') + gateway(), [`AMB0303 Pod shop/shop ${use}`]],
  ['for all, by a pod', using('Pod', '') + gateway('', 'istio.io/waypoint-for: all'), []],
  [
    'of another namespace that admits nobody else',
    using('Service', elsewhere) + gateway('', '', '', 'infra'),
    [`AMB0304 Service shop/shop ${use}`],
  ],
  [
    'of another namespace that admits all',
    using('Service', elsewhere) + gateway(allow('from: All'), '', '', 'infra'),
    [],
  ],
  [
    'of another namespace that admits others',
    `${using('Service', elsewhere)}---\nkind: Namespace\nmetadata: {name: shop, labels: {team: b}}\n${gateway(allow('from: Selector, selector: {matchLabels: {team: a}}'), '', '', 'infra')}`,
    [`AMB0304 Service shop/shop ${use}`],
  ],
  [
    'of another namespace that admits this one',
    `${using('Service', elsewhere)}---\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n${gateway(allow('from: Selector, selector: {matchLabels: {team: a}}'), '', '', 'infra')}`,
    [],
  ],
  [
    'without a listener for tunnels',
    'kind: Gateway\nmetadata: {name: w}\nspec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 80, protocol: HTTP}]}',
    ['AMB0502 Gateway shop/w spec.listeners'],
  ],
]

describe('a waypoint', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(waypoints, yaml)).toEqual(found))
})
