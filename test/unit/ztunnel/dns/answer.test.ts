import { describe, expect, it } from 'vitest'
import { CLASS_IN, formatName, parseName, type ResourceRecord, recordTypes } from '#shared/dns'
import { answerFromMesh } from '../../../../src/ztunnel/dns/answer.ts'
import { meshOf, type ServiceInput, service, type WorkloadInput, workload } from '../../../support/mesh-builder.ts'

interface Asked {
  readonly type?: 'A' | 'AAAA'
  readonly namespace?: string
  readonly network?: string
  readonly isIpv6Enabled?: boolean
  readonly preferredNamespace?: string
  readonly random?: () => number
}

interface Mesh {
  readonly services: readonly ServiceInput[]
  readonly workloads?: readonly WorkloadInput[]
}

/** Asks as a pod of namespace `shop`, and shows the records as text; undefined: the mesh does not know the name. */
function ask(mesh: Mesh, asked: string, options: Asked = {}): readonly string[] | undefined {
  const answer = answerOf(mesh, asked, options)
  return answer.kind === 'unknown' ? undefined : answer.records.map(shown)
}

function answerOf({ services, workloads = [] }: Mesh, asked: string, options: Asked = {}) {
  const { type = 'A', namespace = 'shop', network = '', isIpv6Enabled = true, preferredNamespace } = options
  const view = meshOf([...services.map(service), ...workloads.map(workload)])
  const client = workload({ name: 'client', namespace, network })
  const question = { name: parseName(asked) ?? [], type: recordTypes[type], class: CLASS_IN }
  return answerFromMesh(
    { client, question },
    { view, domain: ['cluster', 'local'], isIpv6Enabled, preferredNamespace, random: options.random ?? (() => 0.999) },
  )
}

function shown(record: ResourceRecord): string {
  const what = 'ip' in record ? record.ip : 'target' in record ? formatName(record.target) : '?'
  return `${formatName(record.name)} ${record.ttlSeconds} ${record.type} ${what}`
}

const web: ServiceInput = { name: 'web', namespace: 'shop', vips: ['10.0.0.1'] }
const foreign: ServiceInput = { name: 'ext', namespace: 'other', hostname: 'example.com', vips: ['240.0.0.1'] }

describe('which service a name means', () => {
  const mesh = { services: [web, foreign] }

  it.each([
    ['its whole name', 'web.shop.svc.cluster.local.'],
    ['a name in another case', 'WEB.Shop.svc.CLUSTER.local.'],
    ['one label, in its own namespace', 'web.'],
    ['two labels', 'web.shop.'],
    ['three labels', 'web.shop.svc.'],
  ])('finds it by %s, and answers on that name in lower case', (_, asked) => {
    expect(ask(mesh, asked)).toEqual([`${asked.toLowerCase()} 30 A 10.0.0.1`])
  })

  it.each([
    ['one label of another namespace', 'web.', { namespace: 'other' }],
    ['a name that nobody has', 'nobody.shop.svc.cluster.local.', {}],
    ['the root', '.', {}],
    ['a name with bytes that no host name has', 'we\\.b.shop.svc.cluster.local.', {}],
  ])('does not know %s', (_, asked, options) => {
    expect(ask(mesh, asked, options)).toBeUndefined()
  })

  it('takes a search domain off and says so with a CNAME, with the same life', () => {
    expect(ask(mesh, 'example.com.shop.svc.cluster.local.')).toEqual([
      'example.com.shop.svc.cluster.local. 30 CNAME example.com.',
      'example.com. 30 A 240.0.0.1',
    ])
  })

  it('points a CNAME also at a single label', () => {
    expect(ask(mesh, 'web.svc.cluster.local.')).toEqual(['web.svc.cluster.local. 30 CNAME web.', 'web. 30 A 10.0.0.1'])
  })

  it('has no CNAME for a name that was found as it is, although a search domain could come off', () => {
    expect(ask(mesh, 'web.shop.svc.cluster.local.')).toHaveLength(1)
  })

  it('matches wildcards over several labels, the most special one, on the asked name and without CNAME', () => {
    const wild = {
      services: [
        { ...foreign, hostname: '*.example.com', vips: ['240.0.0.2'] },
        { ...foreign, name: 'b', hostname: '*.b.example.com', vips: ['240.0.0.3'] },
      ],
    }
    expect(ask(wild, 'x.y.example.com.')).toEqual(['x.y.example.com. 30 A 240.0.0.2'])
    expect(ask(wild, 'x.b.example.com.')).toEqual(['x.b.example.com. 30 A 240.0.0.3'])
    expect(ask(wild, 'x.example.com.shop.svc.cluster.local.')).toEqual([
      'x.example.com.shop.svc.cluster.local. 30 A 240.0.0.2',
    ])
    expect(ask(wild, 'example.com.')).toBeUndefined()
  })

  it('prefers an exact name to a wildcard', () => {
    const both = { services: [{ ...foreign, hostname: '*.com', vips: ['240.0.0.2'] }, foreign] }
    expect(ask(both, 'example.com.')).toEqual(['example.com. 30 A 240.0.0.1'])
  })

  it('hides what only its own namespace may see', () => {
    const hidden = { services: [{ ...foreign, visibility: 'Namespace' as const }] }
    expect(ask(hidden, 'example.com.')).toBeUndefined()
    expect(ask(hidden, 'example.com.', { namespace: 'other' })).toHaveLength(1)
  })

  const twins = ['a', 'b', 'c', 'd'].map((namespace, i) => ({
    name: 'ext',
    namespace,
    hostname: 'example.com',
    vips: [`240.0.0.${i + 1}`],
    canonical: false,
  }))
  it.each([
    ["the client's namespace", ['b', 'c'], { namespace: 'd', preferredNamespace: 'a' }, '240.0.0.4'],
    ['the last canonical one', ['b', 'c'], { preferredNamespace: 'a' }, '240.0.0.3'],
    ['the preferred namespace', [] as string[], { preferredNamespace: 'b' }, '240.0.0.2'],
    ['the first', [] as string[], {}, '240.0.0.1'],
  ])('of several with one name takes that of %s', (_, canonical, options, expected) => {
    const services = twins.map((each) => ({ ...each, canonical: canonical.includes(each.namespace) }))
    expect(ask({ services }, 'example.com.', options)).toEqual([`example.com. 30 A ${expected}`])
  })
})

describe('which addresses a service has', () => {
  const dual: ServiceInput = { ...web, vips: ['10.0.0.1', '10.0.0.2', 'fd00::1'] }

  it('gives those of the asked family', () => {
    expect(ask({ services: [dual] }, 'web.')).toEqual(['web. 30 A 10.0.0.1', 'web. 30 A 10.0.0.2'])
    expect(ask({ services: [dual] }, 'web.', { type: 'AAAA' })).toEqual(['web. 30 AAAA fd00::1'])
  })

  it('shuffles them', () => {
    expect(ask({ services: [dual] }, 'web.', { random: () => 0 })).toEqual(['web. 30 A 10.0.0.2', 'web. 30 A 10.0.0.1'])
  })

  it.each([
    ['the family is not offered (IPv4)', { ipFamilies: 'IPv4' as const }, { type: 'AAAA' as const }],
    ['the family is not offered (IPv6)', { ipFamilies: 'IPv6' as const }, { type: 'A' as const }],
    ['the node has no IPv6', {}, { type: 'AAAA' as const, isIpv6Enabled: false }],
  ])('says that the name is there but not so when %s', (_, input, options) => {
    expect(answerOf({ services: [{ ...dual, ...input }] }, 'web.', options)).toEqual({
      kind: 'known',
      records: [],
      result: 'service does not support this record type',
    })
  })

  it('says that there is no record when there is no address of the family', () => {
    expect(answerOf({ services: [web] }, 'web.', { type: 'AAAA' })).toEqual({
      kind: 'known',
      records: [],
      result: 'no records',
    })
  })

  it('gives only those of its own network; a service with none of them is still known', () => {
    const services = [{ ...web, vips: ['far/10.9.0.1', 'near/10.0.0.1'] }]
    expect(ask({ services }, 'web.', { network: 'near' })).toEqual(['web. 30 A 10.0.0.1'])
    expect(ask({ services }, 'web.', { network: 'nowhere' })).toEqual([])
  })

  it('never gives networks, and a foreign name without other addresses is not known', () => {
    const services = [{ ...foreign, vips: [], cidrVips: ['/10.0.0.0/8'] }]
    expect(ask({ services }, 'example.com.')).toBeUndefined()
  })

  it('gives one address of each healthy endpoint of a headless service, in any network', () => {
    const headless = { ...web, vips: [] }
    const key = 'shop/web.shop.svc.cluster.local'
    const services = { [key]: { 80: 80 } }
    const workloads: WorkloadInput[] = [
      { name: 'a', addresses: ['10.1.0.1', '10.1.0.2', 'fd01::1'], services },
      { name: 'b', addresses: ['10.1.0.3'], network: 'far', services },
      { name: 'c', addresses: ['10.1.0.4'], status: 'Unhealthy', services },
      { name: 'd', addresses: ['fd01::5'], services },
    ]
    expect(ask({ services: [headless], workloads }, 'web.')).toEqual(['web. 30 A 10.1.0.1', 'web. 30 A 10.1.0.3'])
    expect(ask({ services: [headless], workloads }, 'web.', { type: 'AAAA' })).toHaveLength(2)
  })

  it('knows a headless service only below svc of the domain', () => {
    expect(ask({ services: [{ ...foreign, vips: [] }] }, 'example.com.')).toBeUndefined()
    expect(ask({ services: [{ ...web, vips: [] }] }, 'web.')).toEqual([])
  })

  it('does not serve the names of workloads', () => {
    const workloads = [
      { name: 'a', namespace: 'shop', hostname: 'a.web.shop.svc.cluster.local', addresses: ['10.1.0.1'] },
    ]
    expect(ask({ services: [web], workloads }, 'a.web.shop.svc.cluster.local.')).toBeUndefined()
  })
})
