import { describe, expect, it } from 'vitest'
import { virtualServices } from '../../../../src/shared/analysis/virtual-services.ts'
import { findingsOf, WEB } from '../../../support/analysed.ts'

const route = (spec: string, name = 'web'): string => `${WEB}---
kind: VirtualService
metadata: {name: ${name}}
spec: ${spec}
`
const to = (destination: string, more = ''): string =>
  route(`{hosts: [web], http: [{${more} route: [{destination: ${destination}}]}]}`)
const at = 'VirtualService shop/web'
const subsets = `---
kind: DestinationRule
metadata: {name: web}
spec: {host: web, subsets: [{name: v1, labels: {version: v1}}]}
`

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['a service of the same namespace', to('{host: web}'), []],
  ['a service by its whole name', to('{host: web.shop.svc.cluster.local, port: {number: 80}}'), []],
  ['a host that nobody has', to('{host: wob}'), [`IST0101 ${at} spec.http[0].route[0].destination.host`]],
  [
    'half of a name, which stays half',
    to('{host: web.shop}'),
    [`IST0101 ${at} spec.http[0].route[0].destination.host`],
  ],
  [
    'a port that the service lacks',
    to('{host: web, port: {number: 81}}'),
    [`IST0101 ${at} spec.http[0].route[0].destination.port`],
  ],
  ['a subset', to('{host: web, subset: v1}') + subsets, []],
  [
    'a subset that no rule has',
    to('{host: web, subset: v2}') + subsets,
    [`IST0101 ${at} spec.http[0].route[0].destination.subset`],
  ],
  ['a mirror to nobody', to('{host: web}', 'mirror: {host: gone},'), [`IST0101 ${at} spec.http[0].mirror.host`]],
  [
    'one of several ports, and does not say which',
    `${to('{host: two}')}---\nkind: Service\nmetadata: {name: two}\nspec: {ports: [{port: 80}, {port: 81}]}\n`,
    [`IST0112 ${at} spec.http[0].route[0].destination`],
  ],
  [
    'a host outside, by a wildcard',
    `${to('{host: api.example.com}')}---\nkind: ServiceEntry\nmetadata: {name: out}\nspec: {hosts: ['*.example.com'], ports: [{number: 443}]}\n`,
    [],
  ],
  [
    'weights that are all 0',
    route(
      '{hosts: [web], http: [{route: [{destination: {host: web}, weight: 0}, {destination: {host: web}, weight: 0}]}]}',
    ),
    [`AMB0102 ${at} spec.http[0].route`],
  ],
  ['an unknown gateway', route('{hosts: [a.b], gateways: [edge, mesh], http: []}'), [`IST0101 ${at} spec.gateways[0]`]],
  [
    'a gateway of another namespace',
    `${route('{hosts: [a.b], gateways: [infra/edge], http: []}')}---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: infra}\n`,
    [],
  ],
  [
    'a route behind one that takes everything',
    route(
      '{hosts: [web], http: [{route: [{destination: {host: web}}]}, {match: [{uri: {prefix: /a}}], route: [{destination: {host: web}}]}]}',
    ),
    [`IST0130 ${at} spec.http[1]`],
  ],
  [
    'a route behind the prefix /',
    route('{hosts: [web], http: [{match: [{uri: {prefix: /}}]}, {}]}'),
    [`IST0130 ${at} spec.http[1]`],
  ],
  [
    'a match that is there already',
    route('{hosts: [web], http: [{match: [{uri: {exact: /a}}]}, {match: [{name: again, uri: {exact: /a}}]}]}'),
    [`IST0130 ${at} spec.http[1]`],
  ],
  [
    'one match of two that is there already',
    route('{hosts: [web], http: [{match: [{uri: {exact: /a}}]}, {match: [{uri: {exact: /a}}, {uri: {exact: /b}}]}]}'),
    [`IST0131 ${at} spec.http[1].match[0]`],
  ],
  ['an expression', route('{hosts: [web], http: [{match: [{uri: {regex: "/a.*"}}]}]}'), []],
  [
    'an expression that RE2 does not know',
    route('{hosts: [web], http: [{match: [{uri: {regex: "(?=a)"}}]}]}'),
    [`IST0122 ${at} spec.http[0].match[0].uri.regex`],
  ],
  [
    'a host that another one has',
    `${to('{host: web}')}---\nkind: VirtualService\nmetadata: {name: other}\nspec: {hosts: [web.shop.svc.cluster.local]}\n`,
    ['IST0109 VirtualService shop/other spec.hosts[0]', `IST0109 ${at} spec.hosts[0]`],
  ],
  [
    'a host that another one has at a gateway only',
    `${to('{host: web}')}---\nkind: VirtualService\nmetadata: {name: other}\nspec: {hosts: [web], gateways: [edge]}\n`,
    ['IST0101 VirtualService shop/other spec.gateways[0]'],
  ],
]

describe('a VirtualService with', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(virtualServices, yaml)).toEqual(found))
})
