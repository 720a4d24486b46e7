import { describe, expect, it } from 'vitest'
import { readObjects } from '#shared/k8s'
import type { Caller } from '../../../../src/istiod-lite/ca/authenticate.ts'
import { decideEntitlement } from '../../../../src/istiod-lite/ca/entitlement.ts'
import type { Mesh } from '../../../../src/istiod-lite/mesh/index.ts'
import { DerivedMesh } from '../../../support/derived-mesh.ts'
import { podYaml } from '../../../support/mesh-objects.ts'

const meshOf = (yaml: string): Mesh => DerivedMesh.of(readObjects(yaml, 'test').objects).mesh

const proxyPod = podYaml('proxy', '10.0.0.9', { uid: 'u1', account: 'proxy', node: 'node-a' })
const mesh = meshOf(
  podYaml('web-1', '10.0.1.1') + podYaml('cart-1', '10.0.1.2', { account: 'cart', node: 'node-b' }) + proxyPod,
)

const proxy: Caller = {
  namespace: 'shop',
  serviceAccount: 'proxy',
  podName: 'proxy',
  podUid: 'u1',
  nodeName: 'node-a',
}
const settings = { trustDomain: 'cluster.local', trustedNodeAccounts: new Set(['shop/proxy']) }
const web = 'spiffe://cluster.local/ns/shop/sa/web'

describe('entitlement', () => {
  const rows: readonly [shows: string, caller: Partial<Caller>, asked: string | undefined, verdict: string][] = [
    ['its own without asking', {}, undefined, 'spiffe://cluster.local/ns/shop/sa/proxy'],
    ['its own by name', {}, 'spiffe://cluster.local/ns/shop/sa/proxy', 'spiffe://cluster.local/ns/shop/sa/proxy'],
    ['that of a pod of its node', {}, web, web],
    ['by the node of its pod when the token names none', { nodeName: undefined }, web, web],
    ['by its token alone when its pod is not known', { podName: 'other' }, web, web],
    ['none of another node', {}, 'spiffe://cluster.local/ns/shop/sa/cart', 'no pod of shop/cart is on node-a'],
    [
      'none for what is no identity',
      {},
      'spiffe://cluster.local/ns/shop',
      '"spiffe://cluster.local/ns/shop" is no SPIFFE id',
    ],
    ['none with a longer path', {}, `${web}/x`, `"${web}/x" is no SPIFFE id`],
    ['none of an earlier pod', { podUid: 'u0' }, web, 'the token is of an earlier pod shop/proxy'],
    [
      'none when pod and token name two nodes',
      { nodeName: 'node-b' },
      'spiffe://cluster.local/ns/shop/sa/cart',
      'pod shop/proxy runs on another node than the token says',
    ],
    [
      'none from nowhere',
      { nodeName: undefined, podName: 'other' },
      web,
      'it is not known on which node shop/other runs',
    ],
    [
      'none of others as an ordinary account',
      { serviceAccount: 'web' },
      'spiffe://cluster.local/ns/shop/sa/cart',
      'shop/web may not ask for others',
    ],
    [
      'none when its pod runs as another account',
      { podName: 'web-1', podUid: mesh.pods.get('shop/web-1')?.metadata.uid ?? '' },
      'spiffe://cluster.local/ns/shop/sa/cart',
      'pod shop/web-1 runs as another account than the token says',
    ],
  ]
  it.each(rows)('gives %s', (_, caller, asked, verdict) => {
    const entitlement = decideEntitlement({ ...proxy, ...caller }, asked, mesh, settings)
    expect(entitlement.kind === 'entitled' ? entitlement.id : entitlement.reason).toBe(verdict)
  })
})
