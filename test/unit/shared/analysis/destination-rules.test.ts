import { describe, expect, it } from 'vitest'
import { destinationRules } from '../../../../src/shared/analysis/destination-rules.ts'
import { findingsOf, WEB } from '../../../support/analysed.ts'

const rule = (spec: string): string => `${WEB}---\nkind: DestinationRule\nmetadata: {name: web}\nspec: ${spec}\n`
const peer = (name: string, namespace: string, spec: string): string =>
  `---\nkind: PeerAuthentication\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: ${spec}\n`
const at = 'DestinationRule shop/web'
const plain = rule('{host: web, trafficPolicy: {tls: {mode: DISABLE}}}')

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['a service', rule('{host: web, subsets: [{name: v1, labels: {version: v1}}]}'), []],
  ['every host of a domain', rule('{host: "*.example.com"}'), []],
  ['nobody', rule('{host: wob}'), [`IST0101 ${at} spec.host`]],
  [
    'a subset without pods',
    rule('{host: web, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}'),
    [`AMB0101 ${at} spec.subsets[1].labels`],
  ],
  [
    'any certificate',
    rule('{host: web, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}}'),
    [`IST0128 ${at} spec.trafficPolicy.tls.insecureSkipVerify`],
  ],
  [
    'any certificate on a port',
    rule('{host: web, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {insecureSkipVerify: true}}]}}'),
    [`IST0129 ${at} spec.trafficPolicy.portLevelSettings[0].tls.insecureSkipVerify`],
  ],
  ['plain text, which is taken', plain, []],
  [
    'plain text, and a strict namespace',
    plain + peer('default', 'shop', '{mtls: {mode: STRICT}}'),
    [`IST0113 ${at} spec.trafficPolicy.tls.mode`],
  ],
  [
    'plain text, and a strict mesh',
    plain + peer('default', 'istio-system', '{mtls: {mode: STRICT}}'),
    [`IST0113 ${at} spec.trafficPolicy.tls.mode`],
  ],
  [
    'plain text to an open workload of a strict mesh',
    plain +
      peer('default', 'istio-system', '{mtls: {mode: STRICT}}') +
      peer('web', 'shop', '{selector: {matchLabels: {app: web}}, mtls: {mode: PERMISSIVE}}'),
    [],
  ],
  [
    'the identity of the mesh in a strict namespace',
    rule('{host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}') + peer('default', 'shop', '{mtls: {mode: STRICT}}'),
    [],
  ],
  [
    'a service outside, as it wants',
    `${rule('{host: api.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}')}---\nkind: ServiceEntry\nmetadata: {name: out}\nspec: {hosts: [api.example.com], ports: [{number: 443}]}\n`,
    [],
  ],
]

describe('a DestinationRule for', () => {
  it.each(table)('%s', (_what, yaml, found) => expect(findingsOf(destinationRules, yaml)).toEqual(found))
})
