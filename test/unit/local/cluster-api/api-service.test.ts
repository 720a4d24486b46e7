import { describe, expect, it } from 'vitest'
import { type IpAddress, parseIp } from '#shared/net'
import { makeApiService } from '../../../../src/local/cluster-api/api-service.ts'
import { serviceLinks } from '../../../../src/local/pod-plan/service-links.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemoryAccess } from '../../../support/memory-access.ts'

const place = {
  address: parseIp('10.96.0.1') as IpAddress,
  endpoint: parseIp('10.243.0.1') as IpAddress,
  endpointPort: 6443,
}
const SERVICES = { group: '', resource: 'services', namespace: 'default' }

describe('the service of the API', () => {
  it('is where programs in pods look for it, and leads to where the API listens', async () => {
    const access = new MemoryAccess(new FakeClock())
    await makeApiService(access, place)
    const { items } = access.list(SERVICES)
    expect(serviceLinks(items, 'any', false)).toMatchObject({
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      KUBERNETES_SERVICE_PORT: '443',
      KUBERNETES_SERVICE_PORT_HTTPS: '443',
    })
    expect(
      access.get({ group: 'discovery.k8s.io', resource: 'endpointslices', namespace: 'default', name: 'kubernetes' }),
    ).toMatchObject({
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.243.0.1'] }],
      ports: [{ name: 'https', port: 6443 }],
    })
  })

  it('stays as it is when it is there already', async () => {
    const access = new MemoryAccess(new FakeClock())
    await makeApiService(access, place)
    const { length } = access.writes
    await makeApiService(access, place)
    expect(access.writes).toHaveLength(length)
  })
})
