import { describe, expect, it } from 'vitest'
import type { Pod, Service } from '#shared/k8s'
import { deriveSlices, hostsFile, pickNode, resolvFile } from '../../../../src/local/objects/index.ts'
import { objectsOf } from './samples.ts'

const pods = objectsOf(`
apiVersion: v1
kind: Pod
metadata: { name: a, namespace: shop, labels: { app: web } }
spec: { nodeName: node-a, containers: [{ name: c, command: [x], ports: [{ name: http, containerPort: 8080 }] }] }
status: { podIPs: [{ ip: 10.0.0.1 }, { ip: "fd00::1" }] }
---
apiVersion: v1
kind: Pod
metadata: { name: b, namespace: shop, labels: { app: web } }
spec: { nodeName: node-b, containers: [{ name: c, command: [x], ports: [{ name: http, containerPort: 9090 }] }] }
status: { podIPs: [{ ip: 10.0.0.2 }, { ip: "fd00::2" }] }
---
apiVersion: v1
kind: Pod
metadata: { name: other, namespace: elsewhere, labels: { app: web } }
spec: { nodeName: node-b, containers: [{ name: c, command: [x] }] }
status: { podIPs: [{ ip: 10.0.0.3 }] }`).map((pod) => ({ pod: pod as Pod, isReady: pod.metadata.name === 'a' }))

const service = (spec: string): Service =>
  objectsOf(`apiVersion: v1\nkind: Service\nmetadata: { name: web, namespace: shop }\nspec: ${spec}`)[0] as Service

describe('endpoint slices', () => {
  it('hold the selected pods of the namespace, a family each, ready or not', () => {
    const slices = deriveSlices(
      service('{ selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }'),
      pods,
      [4, 6],
    )
    expect(
      slices.map(({ addressType, endpoints }) => [addressType, endpoints.map((each) => [each.addresses, each.ready])]),
    ).toEqual([
      [
        'IPv4',
        [
          [['10.0.0.1'], true],
          [['10.0.0.2'], false],
        ],
      ],
      [
        'IPv6',
        [
          [['fd00::1'], true],
          [['fd00::2'], false],
        ],
      ],
    ])
  })

  it('are split where a named port differs between pods', () => {
    const slices = deriveSlices(
      service('{ selector: { app: web }, ports: [{ port: 80, targetPort: http }] }'),
      pods,
      [4],
    )
    expect(
      slices.map(({ metadata, ports, endpoints }) => [metadata.name, ports[0]?.port, endpoints[0]?.nodeName]),
    ).toEqual([
      ['web-v4', 8080, 'node-a'],
      ['web-v4-1', 9090, 'node-b'],
    ])
  })

  it('call every pod ready for a service that publishes not-ready ones', () => {
    const spec = '{ selector: { app: web }, publishNotReadyAddresses: true, ports: [{ port: 80 }] }'
    const [slice] = deriveSlices(service(spec), pods, [4])
    expect(slice?.endpoints.map(({ ready }) => ready)).toEqual([true, true])
  })

  it('are left to the user where there is no selector', () => {
    expect(deriveSlices(service('{ ports: [{ port: 80 }] }'), pods, [4, 6])).toEqual([])
  })
})

describe('the node of a pod', () => {
  const like = { namespace: 'shop', labels: { app: 'cart', version: '1' } }
  const other = { namespace: 'shop', labels: { app: 'web' } }

  it('is first the one with the fewest pods like it', () => {
    const placed = [
      { ...like, labels: { version: '1', app: 'cart' }, node: 'a' },
      { ...other, node: 'b' },
      { ...other, node: 'b' },
    ]
    expect(pickNode(like, ['a', 'b'], placed)).toBe('b')
  })

  it('then the emptiest, then the first', () => {
    expect(pickNode(like, ['a', 'b'], [{ ...other, node: 'a' }])).toBe('b')
    expect(pickNode(like, ['a', 'b'], [])).toBe('a')
  })
})

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
