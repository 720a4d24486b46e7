import { describe, expect, it } from 'vitest'
import { hostsFile, resolvFile } from '../../../../src/local/objects/index.ts'

describe('names in a pod', () => {
  const pod = { namespace: 'shop', name: 'client', addresses: ['10.0.0.9'] }

  it('are short in its own namespace and full everywhere', () => {
    const text = hostsFile(pod, [
      { namespace: 'shop', name: 'web', addresses: ['10.96.1.0', 'fd00::1'] },
      { namespace: 'legacy', name: 'catalog', addresses: ['10.96.1.1'] },
    ])
    expect(text.split('\n').slice(2)).toEqual([
      '10.0.0.9\tclient',
      '10.96.1.0\tweb web.shop web.shop.svc web.shop.svc.cluster.local',
      'fd00::1\tweb web.shop web.shop.svc web.shop.svc.cluster.local',
      '10.96.1.1\tcatalog.legacy catalog.legacy.svc catalog.legacy.svc.cluster.local',
      '',
    ])
  })

  it('are searched as in a cluster', () => {
    expect(resolvFile('shop')).toContain('search shop.svc.cluster.local svc.cluster.local cluster.local\n')
  })
})
