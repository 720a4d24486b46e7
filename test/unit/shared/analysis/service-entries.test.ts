import { describe, expect, it } from 'vitest'
import { serviceEntries } from '../../../../src/shared/analysis/service-entries.ts'
import { findingsOf } from '../../../support/analysed.ts'

const entry = (spec: string, name = 'e', labels = ''): string =>
  `---\nkind: ServiceEntry\nmetadata: {name: ${name}, labels: {${labels}}}\nspec: ${spec}\n`
const at = 'ServiceEntry shop/e'
const tcp = 'ports: [{number: 5432, protocol: TCP}]'
const out = 'networking.istio.io/enable-autoallocate-ip: "False"'
const service = (ips: string): string => `---\nkind: Service\nmetadata: {name: s}\nspec: {clusterIPs: [${ips}]}\n`

const table: readonly (readonly [what: string, yaml: string, found: readonly string[]])[] = [
  ['ports', entry(`{hosts: [a.b], resolution: DNS, ${tcp}}`), []],
  ['no ports', entry('{hosts: [a.b], resolution: DNS}'), [`AMB0601 ${at} spec`]],
  ['a TCP port without an address', entry(`{hosts: [a.b], ${tcp}}`), [`IST0134 ${at} spec.ports[0]`]],
  [
    'a TCP port that opts out of addresses',
    entry(`{hosts: [a.b], resolution: DNS, ${tcp}}`, 'e', out),
    [`IST0134 ${at} spec.ports[0]`],
  ],
  ['a TCP port with an address', entry(`{hosts: [a.b], addresses: [10.1.0.1], ${tcp}}`), []],
  ['an HTTP port without an address', entry('{hosts: [a.b], ports: [{number: 80, protocol: http}]}'), []],
  ['STATIC and no endpoint', entry(`{hosts: [a.b], resolution: STATIC, ${tcp}}`), [`AMB0604 ${at} spec.resolution`]],
  ['STATIC and a selector', entry(`{hosts: [a.b], resolution: STATIC, workloadSelector: {}, ${tcp}}`), []],
  [
    'an address of a service',
    entry(`{hosts: [a.b], addresses: [10.1.0.0/24], ${tcp}}`) + service('10.1.0.7'),
    [`AMB0602 ${at} spec.addresses[0]`],
  ],
  [
    'an address of another entry',
    entry(`{hosts: [a.b], addresses: [10.1.0.0/24], ${tcp}}`) +
      entry(`{hosts: [c.d], addresses: ["fd00::1", 10.1.0.1], ${tcp}}`, 'f'),
    [`AMB0602 ${at} spec.addresses[0]`, 'AMB0602 ServiceEntry shop/f spec.addresses[1]'],
  ],
  ['addresses of its own', entry(`{hosts: [a.b], addresses: [10.1.0.1], ${tcp}}`) + service('10.1.0.2, None'), []],
  [
    'the host of a service',
    entry(`{hosts: [s.shop.svc.cluster.local], resolution: DNS, ${tcp}}`) + service('10.1.0.1'),
    [`AMB0603 ${at} spec.hosts`],
  ],
  [
    'the host of another entry',
    entry(`{hosts: [a.b], resolution: DNS, ${tcp}}`) + entry(`{hosts: [a.b], resolution: DNS, ${tcp}}`, 'f'),
    [`AMB0603 ${at} spec.hosts`, 'AMB0603 ServiceEntry shop/f spec.hosts'],
  ],
]

describe('a ServiceEntry with', () => {
  it.each(table)('%s', (_what, yaml, found) =>
    expect(findingsOf(serviceEntries, yaml.replace(/^---\n/, ''))).toEqual(found),
  )
})
