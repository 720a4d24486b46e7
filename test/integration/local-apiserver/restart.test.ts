import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-restart-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('a server that starts again on the same folder', () => {
  it('has the same CA, objects, kinds and tokens, and watches go on', async () => {
    const first = await startTestApi({ dir })
    const pair = first.server.issueClient('admin', 'system:masters')
    const before = new KubeClient(first.server, pair)
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }]
    await before.post(crds, {
      metadata: { name: 'things.demo.dev' },
      spec: { group: 'demo.dev', scope: 'Cluster', names: { kind: 'Thing', plural: 'things' }, versions },
    })
    await before.post('/apis/demo.dev/v1/things', { apiVersion: 'demo.dev/v1', kind: 'Thing', metadata: { name: 't' } })
    await before.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'a' } })
    const { json: issued } = await before.post('/api/v1/namespaces/default/serviceaccounts/a/token', {})
    const { json: things } = await before.get('/apis/demo.dev/v1/things')
    before.close()
    await first.close()

    const second = await startTestApi({ dir })
    expect(second.server.caPem).toBe(first.server.caPem)
    const after = new KubeClient(second.server, pair)
    expect((await after.get('/apis/demo.dev/v1/things/t')).json).toEqual({
      ...things.items[0],
      apiVersion: 'demo.dev/v1',
      kind: 'Thing',
    })
    const watch = await after.watch(
      `/apis/demo.dev/v1/things?watch=1&resourceVersion=${things.metadata.resourceVersion}`,
    )
    await after.post('/apis/demo.dev/v1/things', { apiVersion: 'demo.dev/v1', kind: 'Thing', metadata: { name: 'u' } })
    expect(await watch.told(1)).toEqual(['ADDED u'])
    watch.close()
    const bearer = new KubeClient(second.server, issued.status.token)
    expect((await bearer.get('/version')).code).toBe(200)
    bearer.close()
    after.close()
    await second.close()
  })

  it('says that it is not ready, and refuses writes, when its store takes no more', async () => {
    const api = await startTestApi({ dir })
    const client = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    expect((await client.get('/readyz')).code).toBe(200)
    await api.store.close()
    expect([(await client.get('/readyz')).code, (await client.get('/livez')).code]).toEqual([500, 200])
    const refused = await client.post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'a' } })
    expect([refused.code, refused.json.reason]).toEqual([503, 'ServiceUnavailable'])
    expect((await client.get('/api/v1/namespaces')).code).toBe(200)
    client.close()
    await api.close()
  })

  it('keeps its keys to itself', async () => {
    const api = await startTestApi({ dir })
    const files = ['kubeconfig', ...readdirSync(join(dir, 'pki')).map((name) => join('pki', name))]
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) expect([file, statSync(join(dir, file)).mode & 0o777]).toEqual([file, 0o600])
    expect(readFileSync(api.kubeconfig, 'utf8')).toContain('client-certificate-data')
    await api.close()
  })
})
