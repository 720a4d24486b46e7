import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { hostsFile, resolvFile } from '../../../../src/local/objects/index.ts'

const servers = { cluster: '10.96.0.10', node: '10.243.0.1' }
const pod = (spec: object = {}, name = 'client'): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop' },
  spec: { ...spec },
})

describe('/etc/hosts of a pod', () => {
  const own = (given: ApiObject): readonly string[] => hostsFile(given, ['10.0.0.9', 'fd00::9']).split('\n').slice(7)

  it('has what a kubelet writes: loopback, and its own name at each address', () => {
    expect(hostsFile(pod(), []).split('\n').slice(0, 3)).toEqual([
      '# Kubernetes-managed hosts file.',
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
    ])
    expect(own(pod())).toEqual(['10.0.0.9\tclient', 'fd00::9\tclient', ''])
  })

  it.each([
    ['what it asks for', pod({ hostname: 'db-0' }), 'db-0'],
    ['as long as a host name may be', pod({}, `${'a'.repeat(62)}-bcd`), 'a'.repeat(62)],
  ])('calls the pod %s', (_, given, hostname) => {
    expect(own(given)[0]).toBe(`10.0.0.9\t${hostname}`)
  })

  it('has the full name too where the pod has a subdomain', () => {
    expect(own(pod({ hostname: 'db-0', subdomain: 'db' }))[0]).toBe('10.0.0.9\tdb-0.db.shop.svc.cluster.local\tdb-0')
  })

  it('has host aliases behind', () => {
    const hostAliases = [
      { ip: '1.2.3.4', hostnames: ['foo.local', 'bar.local'] },
      { ip: '1.2.3.5', hostnames: [] },
    ]
    expect(own(pod({ hostAliases })).slice(2)).toEqual([
      '',
      '# Entries added by HostAliases.',
      '1.2.3.4\tfoo.local\tbar.local',
      '',
    ])
  })
})

describe('/etc/resolv.conf of a pod', () => {
  const dnsConfig = {
    nameservers: ['1.2.3.4'],
    searches: ['ns1.example'],
    options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
  }
  const search = 'search shop.svc.cluster.local svc.cluster.local cluster.local'

  it.each<[string, object, readonly string[]]>([
    ['names nobody: the cluster', {}, [search, 'nameserver 10.96.0.10', 'options ndots:5']],
    [
      'ClusterFirstWithHostNet: the cluster',
      { dnsPolicy: 'ClusterFirstWithHostNet' },
      [search, 'nameserver 10.96.0.10', 'options ndots:5'],
    ],
    ['Default: as the node asks', { dnsPolicy: 'Default' }, ['nameserver 10.243.0.1']],
    [
      'None: what it says, and nothing else',
      { dnsPolicy: 'None', dnsConfig },
      ['search ns1.example', 'nameserver 1.2.3.4', 'options ndots:2 edns0'],
    ],
    [
      'ClusterFirst with more: added, options replaced by name',
      { dnsPolicy: 'ClusterFirst', dnsConfig },
      [`${search} ns1.example`, 'nameserver 10.96.0.10', 'nameserver 1.2.3.4', 'options ndots:2 edns0'],
    ],
    [
      'more name servers than a resolver asks: the first three',
      { dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1', '1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'] } },
      ['nameserver 1.1.1.1', 'nameserver 2.2.2.2', 'nameserver 3.3.3.3'],
    ],
  ])('that %s', (_, spec, lines) => {
    expect(resolvFile(pod(spec), servers)).toBe(lines.map((line) => `${line}\n`).join(''))
  })
})
