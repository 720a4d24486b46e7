import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  type Answerer,
  answerPacket,
  type DnsAnswer,
  formatName,
  parseName,
  type ResourceRecord,
  rcodes,
  readMessage,
  recordTypes,
  writeMessage,
} from '#shared/dns'
import { parseIp } from '#shared/net'
import { ClusterNames, clusterAnswerer } from '../../../../src/local/dns/index.ts'
import { ServiceTable } from '../../../../src/local/services/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'
import { namespaceObject, podObject, serviceObject, sliceObject } from '../../../support/services.ts'
import { message, name } from '../../shared/dns/messages.ts'

const http = { name: 'http', port: 80, protocol: 'TCP' }
const objects = [
  namespaceObject('shop'),
  namespaceObject('kube-system'),
  serviceObject('shop/web', {
    clusterIPs: ['10.96.1.0', 'fd00:10:96::100'],
    ports: [http, { name: 'dns', port: 53, protocol: 'UDP' }],
  }),
  serviceObject('shop/old', { clusterIP: '10.96.1.1', ports: [{ port: 80 }] }),
  serviceObject('shop/db', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'sql', port: 5432 }] }),
  serviceObject('shop/empty', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'sql', port: 5432 }] }),
  serviceObject('shop/inside', { type: 'ExternalName', externalName: 'web.shop.svc.cluster.local' }),
  serviceObject('shop/nowhere', { type: 'ExternalName', externalName: 'gone.shop.svc.cluster.local' }),
  serviceObject('shop/outside', { type: 'ExternalName', externalName: 'example.org' }),
  serviceObject('shop/literal', { type: 'ExternalName', externalName: '192.0.2.7' }),
  serviceObject('shop/ring', { type: 'ExternalName', externalName: 'ring.shop.svc.cluster.local' }),
  serviceObject('kube-system/kube-dns', {
    clusterIP: '10.96.0.10',
    ports: [{ name: 'dns', port: 53, protocol: 'UDP' }],
  }),
  sliceObject('shop/web', 'web-4', [{ name: 'http', port: 8080, protocol: 'TCP' }], [{ addresses: ['10.244.1.9'] }]),
  sliceObject(
    'shop/db',
    'db-4',
    [{ name: 'sql', port: 15432, protocol: 'TCP' }],
    [
      { addresses: ['10.244.1.2'], hostname: 'db-0' },
      { addresses: ['10.244.1.3'] },
      { addresses: ['10.244.1.4'], conditions: { ready: false } },
    ],
  ),
  sliceObject(
    'shop/db',
    'db-6',
    [{ name: 'sql', port: 15432, protocol: 'TCP' }],
    [{ addresses: ['fd00::2'], hostname: 'db-0' }],
  ),
  sliceObject(
    'shop/empty',
    'empty-4',
    [{ name: 'sql', port: 5432 }],
    [{ addresses: ['10.244.1.5'], conditions: { ready: false } }],
  ),
  podObject('shop/lonely', ['10.244.2.7', 'fd00::7']),
]

let access: MemoryAccess
let answer: Answerer
beforeAll(async () => {
  access = new MemoryAccess(new FakeClock())
  for (const object of objects) await access.create(object)
  const server = parseIp('10.96.0.10')
  const names = new ClusterNames(name('cluster.local'), new ServiceTable(access), server === undefined ? [] : [server])
  answer = clusterAnswerer(names, () => 0)
})

function ask(text: string, type: keyof typeof recordTypes): DnsAnswer {
  return answer({ name: name(text), type: recordTypes[type], class: 1 })
}

/** `owner TYPE value`, without the domain of the cluster, in order of the text. */
function shown(records: readonly ResourceRecord[]): readonly string[] {
  return records.map((record) => `${short(formatName(record.name))} ${record.type} ${dataOf(record)}`).sort()
}

function dataOf(record: ResourceRecord): string {
  if ('ip' in record) return record.ip
  if (record.type === 'SRV')
    return `${record.priority} ${record.weight} ${record.port} ${short(formatName(record.target))}`
  if ('target' in record) return short(formatName(record.target))
  return record.type === 'TXT' ? record.texts.join() : ''
}

function short(text: string): string {
  return text.replace('.cluster.local.', '')
}

const svc = (text: string): string => `${text}.svc.cluster.local`

describe('names that are there', () => {
  it.each<[string, string, keyof typeof recordTypes, readonly string[], readonly string[]]>([
    ['a service', svc('web.shop'), 'A', ['web.shop.svc A 10.96.1.0'], []],
    ['a service of both families', svc('web.shop'), 'AAAA', ['web.shop.svc AAAA fd00:10:96::100'], []],
    [
      'a headless service: ready endpoints',
      svc('db.shop'),
      'A',
      ['db.shop.svc A 10.244.1.2', 'db.shop.svc A 10.244.1.3'],
      [],
    ],
    ['an endpoint by its host name', svc('db-0.db.shop'), 'A', ['db-0.db.shop.svc A 10.244.1.2'], []],
    ['… in the other family', svc('db-0.db.shop'), 'AAAA', ['db-0.db.shop.svc AAAA fd00::2'], []],
    ['an endpoint by its address', svc('10-244-1-3.db.shop'), 'A', ['10-244-1-3.db.shop.svc A 10.244.1.3'], []],
    [
      'an endpoint of a service with an address',
      svc('10-244-1-9.web.shop'),
      'A',
      ['10-244-1-9.web.shop.svc A 10.244.1.9'],
      [],
    ],
    [
      'a port of a service',
      svc('_http._tcp.web.shop'),
      'SRV',
      ['_http._tcp.web.shop.svc SRV 0 100 80 web.shop.svc'],
      ['web.shop.svc A 10.96.1.0', 'web.shop.svc AAAA fd00:10:96::100'],
    ],
    [
      'a port of a headless service: each endpoint, with its own port',
      svc('_sql._tcp.db.shop'),
      'SRV',
      [
        '_sql._tcp.db.shop.svc SRV 0 50 15432 10-244-1-3.db.shop.svc',
        '_sql._tcp.db.shop.svc SRV 0 50 15432 db-0.db.shop.svc',
      ],
      ['10-244-1-3.db.shop.svc A 10.244.1.3', 'db-0.db.shop.svc A 10.244.1.2', 'db-0.db.shop.svc AAAA fd00::2'],
    ],
    [
      'all ports of a service',
      svc('web.shop'),
      'SRV',
      ['web.shop.svc SRV 0 50 53 web.shop.svc', 'web.shop.svc SRV 0 50 80 web.shop.svc'],
      ['web.shop.svc A 10.96.1.0', 'web.shop.svc AAAA fd00:10:96::100'],
    ],
    [
      'an external name inside',
      svc('inside.shop'),
      'A',
      ['inside.shop.svc CNAME web.shop.svc', 'web.shop.svc A 10.96.1.0'],
      [],
    ],
    ['an external name itself', svc('outside.shop'), 'CNAME', ['outside.shop.svc CNAME example.org.'], []],
    ['an external name that is an address', svc('literal.shop'), 'A', ['literal.shop.svc A 192.0.2.7'], []],
    ['a pod', '10-244-1-2.shop.pod.cluster.local', 'A', ['10-244-1-2.shop.pod A 10.244.1.2'], []],
    ['a pod in IPv6', 'fd00--2.shop.pod.cluster.local', 'AAAA', ['fd00--2.shop.pod AAAA fd00::2'], []],
    ['the version of these rules', 'dns-version.cluster.local', 'TXT', ['dns-version TXT 1.1.0'], []],
    ['the name server', 'cluster.local', 'NS', ['cluster.local. NS ns.dns'], []],
    ["the name server's address", 'ns.dns.cluster.local', 'A', ['ns.dns A 10.96.0.10'], []],
    ['the authority', 'cluster.local', 'SOA', ['cluster.local. SOA '], []],
    ['the address of a service', '0.1.96.10.in-addr.arpa', 'PTR', ['0.1.96.10.in-addr.arpa. PTR web.shop.svc'], []],
    [
      'the address of a named endpoint',
      '2.1.244.10.in-addr.arpa',
      'PTR',
      ['2.1.244.10.in-addr.arpa. PTR db-0.db.shop.svc'],
      [],
    ],
    [
      'the address of another endpoint',
      '3.1.244.10.in-addr.arpa',
      'PTR',
      ['3.1.244.10.in-addr.arpa. PTR 10-244-1-3.db.shop.svc'],
      [],
    ],
    [
      'the address of a pod in no service',
      '7.2.244.10.in-addr.arpa',
      'PTR',
      ['7.2.244.10.in-addr.arpa. PTR 10-244-2-7.shop.pod'],
      [],
    ],
  ])('%s', (_, text, type, answers, additionals) => {
    const found = ask(text, type)
    expect(found).toMatchObject({ rcode: rcodes.NOERROR, isAuthoritative: true, authorities: [] })
    expect(shown(found.answers)).toEqual(answers)
    expect(shown(found.additionals)).toEqual(additionals)
    expect(found.answers.every(({ ttlSeconds }) => ttlSeconds === 5)).toBe(true)
  })

  it('has the IPv6 reverse name of an endpoint', () => {
    const nibbles = [...`fd00${'0'.repeat(27)}2`].toReversed().join('.')
    expect(shown(ask(`${nibbles}.ip6.arpa`, 'PTR').answers)).toEqual([`${nibbles}.ip6.arpa. PTR db-0.db.shop.svc`])
  })

  it('are found in any case, and answered in the case of the question', () => {
    expect(shown(ask('WeB.Shop.SVC.Cluster.LOCAL', 'A').answers)).toEqual(['WeB.Shop.SVC.Cluster.LOCAL. A 10.96.1.0'])
  })
})

describe('names that are there, without a record of the type: NOERROR and no answer', () => {
  it.each<[string, keyof typeof recordTypes]>([
    [svc('old.shop'), 'AAAA'],
    [svc('web.shop'), 'TXT'],
    [svc('10-244-1-3.db.shop'), 'AAAA'],
    [svc('_http._tcp.web.shop'), 'A'],
    [svc('_tcp.web.shop'), 'SRV'],
    [svc('shop'), 'A'],
    ['svc.cluster.local', 'A'],
    ['pod.cluster.local', 'A'],
    ['shop.pod.cluster.local', 'A'],
    ['10-244-1-2.shop.pod.cluster.local', 'AAAA'],
    ['cluster.local', 'A'],
    ['dns.cluster.local', 'A'],
    [svc('literal.shop'), 'AAAA'],
  ])('%s %s', (text, type) => {
    const found = ask(text, type)
    expect(found).toMatchObject({ rcode: rcodes.NOERROR, answers: [] })
    expect(shown(found.authorities)).toEqual(['cluster.local. SOA '])
  })
})

describe('names that are not there: NXDOMAIN', () => {
  it.each([
    svc('nobody.shop'),
    svc('web.elsewhere'),
    svc('elsewhere'),
    svc('empty.shop'),
    svc('10-244-1-4.db.shop'),
    svc('db-1.db.shop'),
    svc('_grpc._tcp.web.shop'),
    svc('_http._udp.web.shop'),
    svc('_udp.db.shop'),
    svc('a.b.c.web.shop'),
    svc('any.inside.shop'),
    'x.cluster.local',
    'x.dns.cluster.local',
    'x.dns-version.cluster.local',
    'not-an-address.shop.pod.cluster.local',
    '10-244-1-2.elsewhere.pod.cluster.local',
    'x.10-244-1-2.shop.pod.cluster.local',
  ])('%s', (text) => {
    const found = ask(text, 'A')
    expect(found).toMatchObject({ rcode: rcodes.NXDOMAIN, answers: [], isAuthoritative: true })
    expect(shown(found.authorities)).toEqual(['cluster.local. SOA '])
  })

  it.each([
    'example.org',
    'web.shop',
    'localhost',
    '.',
    'cluster.local.example.org',
    'notcluster.local',
    '9.9.9.9.in-addr.arpa',
    '1.10.in-addr.arpa',
    '300.1.1.1.in-addr.arpa',
  ])('%s, outside of the cluster', (text) => {
    expect(ask(text, 'A')).toEqual({
      rcode: rcodes.NXDOMAIN,
      isAuthoritative: false,
      answers: [],
      authorities: [],
      additionals: [],
    })
  })

  it.each([
    ['inside', svc('nowhere.shop'), 'nowhere.shop.svc CNAME gone.shop.svc'],
    ['outside', svc('outside.shop'), 'outside.shop.svc CNAME example.org.'],
  ])('the target of an external name, %s, with the way there', (_, text, alias) => {
    const found = ask(text, 'A')
    expect(found.rcode).toBe(rcodes.NXDOMAIN)
    expect(shown(found.answers)).toEqual([alias])
  })

  it('an external name that leads to itself ends with SERVFAIL', () => {
    expect(ask(svc('ring.shop'), 'A')).toMatchObject({ rcode: rcodes.SERVFAIL, answers: [] })
  })
})

describe('changes', () => {
  it('are answered as soon as they are written, also when a service comes again under its name', async () => {
    const made = await access.create(serviceObject('shop/new', { clusterIP: '10.96.2.1', ports: [http] }))
    await Promise.resolve()
    expect(shown(ask(svc('new.shop'), 'A').answers)).toEqual(['new.shop.svc A 10.96.2.1'])
    await access.delete({ group: '', resource: 'services', namespace: 'shop', name: 'new' })
    await access.create(serviceObject('shop/new', { clusterIP: '10.96.2.2', ports: [http] }))
    await Promise.resolve()
    expect(shown(ask(svc('new.shop'), 'A').answers)).toEqual(['new.shop.svc A 10.96.2.2'])
    expect(shown(ask('2.2.96.10.in-addr.arpa', 'PTR').answers)).toHaveLength(1)
    expect(ask('1.2.96.10.in-addr.arpa', 'PTR').rcode).toBe(rcodes.NXDOMAIN)
    expect(made.metadata.name).toBe('new')
  })
})

describe('any question', () => {
  it('gets a message that says so', () => {
    const labels = fc.constantFrom(
      'web',
      'shop',
      'svc',
      'pod',
      'cluster',
      'local',
      'db',
      '_http',
      '_tcp',
      'in-addr',
      'arpa',
      '1',
      'x/y',
      'a.b',
    )
    fc.assert(
      fc.property(fc.array(labels, { maxLength: 8 }), fc.integer({ min: 0, max: 65_535 }), (asked, type) => {
        const packet = writeMessage(message({ questions: [{ name: asked, type, class: 1 }] }))
        const reply = answerPacket(packet, answer, 'udp')
        expect(readMessage(reply ?? new Uint8Array())).toMatchObject({ kind: 'message', message: { isResponse: true } })
      }),
    )
  })

  it('keeps names that parseName would not read', () => {
    expect(parseName('a\\.b.c')).toEqual(['a.b', 'c'])
    expect(answer({ name: ['web.shop', 'svc', 'cluster', 'local'], type: 1, class: 1 }).rcode).toBe(rcodes.NXDOMAIN)
  })
})
