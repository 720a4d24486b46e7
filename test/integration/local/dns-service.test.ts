import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { parseCidr, parseIp } from '#shared/net'
import { ServiceAddresses } from '../../../src/local/controllers/index.ts'
import { DnsService } from '../../../src/local/dns/index.ts'
import { refusedServiceHook } from '../../../src/local/services/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const KUBE_DNS = { group: '', resource: 'services', namespace: 'kube-system', name: 'kube-dns' }
const servers = ['10.243.0.1', 'fd00:10:243::1'].flatMap((text) => parseIp(text) ?? [])

let api: TestApi
let following: { stop(): void }
beforeEach(async () => {
  api = await startTestApi()
  const ranges = ['10.96.0.0/16', 'fd00:10:96::/112'].flatMap((text) => parseCidr(text) ?? [])
  const addresses = new ServiceAddresses({ clock: systemClock, ranges, nodePorts: { first: 30_000, last: 32_767 } })
  api.server.addAdmission(addresses.hook)
  api.server.addAdmission(refusedServiceHook)
  following = addresses.follow(api.server.access)
})
afterEach(async () => {
  following.stop()
  await api.close()
})

const keep = (): Promise<DnsService> =>
  DnsService.keep({ access: api.server.access, clock: systemClock, logger: quietLogger, servers })
const service = (name: string, spec: object): Parameters<TestApi['server']['access']['create']>[0] => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port: 80 }], ...spec },
})

describe('the service of the cluster DNS', () => {
  it('has its addresses and, for each family, an endpoint; twice is once', async () => {
    const { access } = api.server
    for (const each of [await keep(), await keep()]) {
      expect(each.problem).toBe('')
      await each.close()
    }
    expect(access.get(KUBE_DNS)?.spec).toMatchObject({
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10', 'fd00:10:96::a'],
    })
    const slices = access.list({
      group: 'discovery.k8s.io',
      resource: 'endpointslices',
      namespace: 'kube-system',
    }).items
    expect(slices.map((slice) => [slice.addressType, slice.endpoints])).toEqual([
      ['IPv4', [expect.objectContaining({ addresses: ['10.243.0.1'] })]],
      ['IPv6', [expect.objectContaining({ addresses: ['fd00:10:243::1'] })]],
    ])
  })

  it('comes back when it is deleted', async () => {
    const dns = await keep()
    const before = api.server.access.get(KUBE_DNS)?.metadata.uid
    await api.server.access.delete(KUBE_DNS)
    await expect.poll(() => api.server.access.get(KUBE_DNS)?.metadata.uid).toSatisfy((uid) => uid && uid !== before)
    await dns.close()
  })

  it("says that its address is another's, and takes it when it is free", async () => {
    const { access } = api.server
    await access.create(service('squatter', { clusterIP: '10.96.0.10', ipFamilyPolicy: 'SingleStack' }))
    const dns = await keep()
    expect(dns.problem).toContain('provided IP is already allocated')
    await access.delete({ ...KUBE_DNS, namespace: 'default', name: 'squatter' })
    await expect.poll(() => dns.problem, { timeout: 5_000 }).toBe('')
    await dns.close()
  })
})

describe('a service that asks for what one machine does not have', () => {
  it.each([
    ['spec.externalIPs', { externalIPs: ['192.0.2.1'] }],
    ['spec.sessionAffinity', { sessionAffinity: 'ClientIP' }],
    ['spec.loadBalancerSourceRanges', { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.0/8'] }],
    ['spec.ports[0].protocol', { ports: [{ port: 80, protocol: 'SCTP' }] }],
  ])('is refused with the field %s', async (field, spec) => {
    await expect(api.server.access.create(service('x', spec))).rejects.toThrow(`${field}: Forbidden: `)
  })
})
