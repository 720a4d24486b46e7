import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '#shared/clock'
import { formatProblem, meshKinds, type ObjectSource } from '#shared/k8s'
import { isStatus, type KubeClient, openKubeClient, watchApi } from '#shared/kube-client'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { ObjectMirror } from '../../support/object-mirror.ts'
import { quietLogger } from '../../support/quiet-logger.ts'

const NAMESPACES = { apiVersion: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false }
const PODS = { apiVersion: 'v1', kind: 'Pod', resource: 'pods', namespaced: true }
const POLICIES = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  resource: 'authorizationpolicies',
  namespaced: true,
}
const TIMES = { firstRetryMs: 50, maxRetryMs: 200, absentMs: 100, watchSeconds: 60 }
const crds = readMeshCrds(new URL('../../../daemonset/crds/', import.meta.url))

describe('the control plane and the node agent on the one-machine API', () => {
  let dir: string
  let api: TestApi
  let client: KubeClient
  let source: ObjectSource | undefined

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ambit-watch-'))
    api = await startTestApi({ dir })
    client = await openKubeClient({ kind: 'kubeconfig', files: [api.kubeconfig] }, { clock: systemClock })
  })

  afterEach(async () => {
    await source?.close()
    source = undefined
    await client.close()
    await api.close()
    rmSync(dir, { recursive: true, force: true })
  })

  function watch(fieldSelector = ''): ObjectMirror {
    const kinds = meshKinds.map((reader) => (reader.kind === 'Pod' ? { reader, fieldSelector } : { reader }))
    source = watchApi(client, kinds, { clock: systemClock, logger: quietLogger, times: TIMES })
    return new ObjectMirror(source, ...meshKinds.map(({ kind }) => kind))
  }

  const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 8000, interval: 5 })
  const createPod = (name: string, nodeName: string): Promise<unknown> =>
    client.create(PODS, 'shop', { metadata: { name }, spec: { nodeName, containers: [{ name: 'c', image: 'i' }] } })

  it('read every kind, and follow it over a restart of the server, with the kind that was not installed', async () => {
    await client.create(NAMESPACES, '', { metadata: { name: 'shop' } })
    await createPod('a', 'n1')
    const mirror = watch()
    await source?.synced
    expect(mirror.keys('Namespace')).toContain('shop')
    expect(mirror.keys('Pod')).toEqual(['shop/a'])
    expect(source?.problems.map(formatProblem)).toEqual([])
    await installMeshCrds(crds, api.server.access)
    await client.create(POLICIES, 'shop', { metadata: { name: 'deny' }, spec: { action: 'DENY' } })
    await until(() => expect(mirror.keys('AuthorizationPolicy')).toEqual(['shop/deny']))

    const port = Number(new URL(api.server.url).port)
    const told = mirror.changes.length
    await api.close()
    await until(() => expect(source?.problems).not.toEqual([]))
    api = await startTestApi({ dir, port })
    await createPod('b', 'n1')
    await until(() => expect(mirror.keys('Pod')).toEqual(['shop/a', 'shop/b']))
    await until(() => expect(source?.problems.map(formatProblem)).toEqual([]))
    // Nothing but what is new was told, also of the kinds whose watches came back later.
    expect(mirror.changes.slice(told)).toEqual(['added Pod shop/b'])
    expect(mirror.violations).toEqual([])
  })

  it('follow the pods of one node: one that gets a node comes, one of another node does not', async () => {
    await client.create(NAMESPACES, '', { metadata: { name: 'shop' } })
    const mirror = watch('spec.nodeName=n1')
    await source?.synced
    await createPod('a', 'n1')
    await createPod('b', 'n2')
    await until(() => expect(mirror.keys('Pod')).toEqual(['shop/a']))
    await client.delete(PODS, { namespace: 'shop', name: 'a' })
    await createPod('c', 'n1')
    await until(() => expect(mirror.keys('Pod')).toContain('shop/c'))
    expect(mirror.keys('Pod')).not.toContain('shop/b')
  })

  it('write a pod annotation by its status, only on the pod that was meant', async () => {
    await client.create(NAMESPACES, '', { metadata: { name: 'shop' } })
    const { metadata } = (await createPod('a', 'n1')) as { metadata: { uid: string } }
    const id = { namespace: 'shop', name: 'a' }
    const annotations = { 'ambient.istio.io/redirection': 'enabled' }
    const patch = (uid: string) =>
      client.mergePatch(PODS, id, { metadata: { uid, annotations } }, { subresource: 'status' })
    await expect(patch('another')).rejects.toSatisfy((error) => isStatus(error, 409, 422))
    expect(await patch(metadata.uid)).toMatchObject({ metadata: { annotations } })
  })

  it('see a refusal in the words of the server', async () => {
    await installMeshCrds(crds, api.server.access)
    await client.create(NAMESPACES, '', { metadata: { name: 'shop' } })
    const wrong = client.create(POLICIES, 'shop', { metadata: { name: 'p' }, spec: { actoin: 'DENY' } })
    await expect(wrong).rejects.toThrow(/authorizationpolicies was answered with 400: .*spec\.actoin/)
    expect(await client.get(PODS, { namespace: 'shop', name: 'none' })).toBeUndefined()
    expect(await client.delete(PODS, { namespace: 'shop', name: 'none' })).toBe(false)
  })
})
