import { describe, expect, it } from 'vitest'
import { ANALYSED_KINDS } from '#shared/analysis'
import { notHonoured, UNSERVED } from '../../../../src/shared/analysis/not-honoured.ts'
import { findingsOf } from '../../../support/analysed.ts'

const of = (kind: string, spec: string, apiVersion = ''): string =>
  `${apiVersion === '' ? '' : `apiVersion: ${apiVersion}\n`}kind: ${kind}\nmetadata: {name: a, namespace: shop}\nspec: ${spec}\n`
const at = 'DestinationRule shop/a spec.trafficPolicy'

describe('what this mesh does not do', () => {
  it.each<[string, readonly string[]]>([
    [
      of('DestinationRule', '{host: web, trafficPolicy: {proxyProtocol: {version: V2}}}'),
      [`AMB0801 ${at}.proxyProtocol`],
    ],
    [
      of('DestinationRule', '{host: web, trafficPolicy: {tls: {mode: SIMPLE, credentialName: s}}}'),
      [`AMB0801 ${at}.tls.credentialName`],
    ],
    [of('DestinationRule', '{host: web, trafficPolicy: {tls: {mode: SIMPLE}}}'), []],
    [
      of('VirtualService', '{hosts: [web], http: [{match: [{statPrefix: x}], route: [{destination: {host: web}}]}]}'),
      ['AMB0801 VirtualService shop/a spec.http[0].match[0].statPrefix'],
    ],
    [of('VirtualService', '7'), []],
    [of('WorkloadGroup', '{}', 'networking.istio.io/v1'), ['AMB0802 WorkloadGroup shop/a']],
    [of('BackendTLSPolicy', '{}', 'gateway.networking.k8s.io/v1'), ['AMB0802 BackendTLSPolicy shop/a']],
    [of('EnvoyFilter', '{}', 'networking.istio.io/v1alpha3'), ['AMB0802 EnvoyFilter shop/a']],
  ])('is told: %s', (yaml, found) => expect(findingsOf(notHonoured, yaml)).toEqual(found))

  it('is looked for in a cluster, too', () => {
    expect(Object.keys(UNSERVED).filter((kind) => !ANALYSED_KINDS.includes(kind))).toEqual([])
  })
})
