import { describe, expect, it } from 'vitest'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { startTestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'
import { type Leanness, leanApi } from '../../support/lean-api.ts'
import { CRD_FOLDER } from '../../support/mesh-kinds.ts'

const PODS = '/api/v1/namespaces/shop/pods'
const DISCOVERY = /^\/(?:api(?:\/v1)?|apis(?:\/[^/]+){0,2}|openapi\/.*|version)$/

const typed =
  (type: string): NonNullable<Leanness['refuse']> =>
  (_url, { headers }) =>
    headers['content-type']?.startsWith(type) ? { code: 415, reason: 'UnsupportedMediaType' } : undefined

/** The second watch of each kind and every other one of it begins with a revision that has been forgotten. */
function forgetful(): NonNullable<Leanness['refuse']> {
  const watches = new Map<string, number>()
  return (url) => {
    if (url.searchParams.get('watch') === null) return undefined
    const count = (watches.get(url.pathname) ?? 0) + 1
    watches.set(url.pathname, count)
    return count % 2 === 0 ? { code: 410, reason: 'Expired' } : undefined
  }
}

describe('an API server that does less than ours', () => {
  it.each<[string, Leanness]>([
    [
      'no discovery and no OpenAPI',
      { refuse: ({ pathname }) => (DISCOVERY.test(pathname) ? { code: 404, reason: 'NotFound' } : undefined) },
    ],
    ['no bookmarks', { ignored: ['allowWatchBookmarks'] }],
    ['no lists by watch', { ignored: ['sendInitialEvents', 'resourceVersionMatch'] }],
    ['no pages', { ignored: ['limit', 'continue'] }],
    ['no time-outs of watches', { ignored: ['timeoutSeconds'] }],
    ['watches that end at once', { watchMs: 300 }],
    ['revisions that are forgotten', { watchMs: 300, refuse: forgetful() }],
    ['no server-side apply', { refuse: typed('application/apply-patch') }],
    ['no patch by JSON pointers', { refuse: typed('application/json-patch') }],
    ['no strategic merge patch', { refuse: typed('application/strategic-merge-patch') }],
  ])('is enough for tunnels to be told: %s', { timeout: 30_000 }, async (_what, leanness) => {
    const api = await startTestApi()
    const place = await IstiodPlace.make()
    const kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    const lean = await leanApi(api, leanness)
    try {
      await installMeshCrds(readMeshCrds(CRD_FOLDER), api.server.access)
      for (const name of ['istio-system', 'shop']) await kube.post('/api/v1/namespaces', { metadata: { name } })
      for (let i = 1; i <= 3; i++) await createPod(kube, `web-${i}`, `10.0.1.${i}`)
      const istiod = await place.start({ AMBIT_KUBE_DIR: '', KUBECONFIG: lean.kubeconfig })
      const mirror = await place.connect(istiod)
      await mirror.until(() => mirror.names.length === 3)
      await createPod(kube, 'late', '10.0.2.1')
      await mirror.until(() => mirror.addresses.has('Kubernetes//Pod/shop/late'))
      await kube.send('DELETE', `${PODS}/web-1?gracePeriodSeconds=0`)
      await mirror.until(() => !mirror.addresses.has('Kubernetes//Pod/shop/web-1'))
      expect(mirror.names).toEqual(['late', 'web-2', 'web-3'].map((name) => `Kubernetes//Pod/shop/${name}`))
    } finally {
      kube.close()
      await place.end()
      await lean.close()
      await api.close()
    }
  })
})

async function createPod(kube: KubeClient, name: string, podIP: string): Promise<void> {
  const spec = { nodeName: 'node-a', containers: [{ name: 'c', image: 'i' }] }
  await kube.post(PODS, { metadata: { name }, spec })
  const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [{ type: 'Ready', status: 'True' }] }
  const { code, text } = await kube.merge(`${PODS}/${name}/status`, { status })
  if (code >= 300) throw new Error(`pod ${name}: ${code} ${text}`)
}
