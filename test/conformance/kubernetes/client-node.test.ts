import {
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  type V1ConfigMap,
} from '@kubernetes/client-node'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'

/** The client library that controllers in JavaScript are written with, unchanged against the one-machine API. */
describe('@kubernetes/client-node', () => {
  let api: TestApi
  let config: KubeConfig
  let core: CoreV1Api

  beforeAll(async () => {
    api = await startTestApi()
    await installMeshCrds(readMeshCrds(new URL('../../../daemonset/crds/', import.meta.url)), api.server.access)
    config = new KubeConfig()
    config.loadFromFile(api.kubeconfig)
    core = config.makeApiClient(CoreV1Api)
    await core.createNamespace({ body: { metadata: { name: 'shop' } } })
  })

  afterAll(() => api.close())

  const configMap = (name: string, data: Record<string, string> = {}): V1ConfigMap => ({ metadata: { name }, data })

  it('creates, reads, lists, replaces and deletes', async () => {
    const namespace = 'shop'
    const created = await core.createNamespacedConfigMap({ namespace, body: configMap('a', { k: '1' }) })
    expect(created.metadata?.creationTimestamp).toBeInstanceOf(Date)
    const replaced = await core.replaceNamespacedConfigMap({
      namespace,
      name: 'a',
      body: { ...created, data: { k: '2' } },
    })
    expect(replaced.data).toEqual({ k: '2' })
    expect((await core.listNamespacedConfigMap({ namespace })).items.map(({ metadata }) => metadata?.name)).toContain(
      'a',
    )
    await core.deleteNamespacedConfigMap({ namespace, name: 'a' })
    await expect(core.readNamespacedConfigMap({ namespace, name: 'a' })).rejects.toMatchObject({ code: 404 })
  })

  it('patches: merge, JSON and strategic merge', async () => {
    const request = { namespace: 'shop', name: 'p' }
    await core.createNamespacedConfigMap({ namespace: 'shop', body: configMap('p', { a: '1', b: '2' }) })
    const as = (strategy: PatchStrategy) => setHeaderOptions('Content-Type', strategy)
    await core.patchNamespacedConfigMap({ ...request, body: { data: { a: null } } }, as(PatchStrategy.MergePatch))
    const operations = [{ op: 'add', path: '/data/c', value: '3' }]
    await core.patchNamespacedConfigMap({ ...request, body: operations }, as(PatchStrategy.JsonPatch))
    const body = { metadata: { labels: { x: 'y' } } }
    const last = await core.patchNamespacedConfigMap({ ...request, body }, as(PatchStrategy.StrategicMergePatch))
    expect(last).toMatchObject({ data: { b: '2', c: '3' }, metadata: { labels: { x: 'y' } } })
  })

  it('applies on the server: fields have owners, another owner is a conflict, and force takes them over', async () => {
    const apply = (data: Record<string, string>, fieldManager: string, force = false): Promise<V1ConfigMap> =>
      core.patchNamespacedConfigMap(
        {
          namespace: 'shop',
          name: 'applied',
          body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data },
          fieldManager,
          force,
        },
        setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply),
      )
    expect((await apply({ a: '1', b: '1' }, 'one')).data).toEqual({ a: '1', b: '1' })
    expect((await apply({ c: '2' }, 'two')).data).toEqual({ a: '1', b: '1', c: '2' })
    await expect(apply({ a: '2' }, 'two')).rejects.toMatchObject({
      code: 409,
      body: expect.stringContaining('conflict with \\"one\\"'),
    })
    expect((await apply({ a: '2' }, 'two', true)).data).toEqual({ a: '2', b: '1' })
    // What an owner no longer applies goes, unless it is another's by now.
    const last = await apply({}, 'one')
    expect(last.data).toEqual({ a: '2' })
    expect(last.metadata?.managedFields?.map(({ manager }) => manager)).toContain('two')
  })

  it('follows a kind with its informer: what is there, what comes, changes and goes', async () => {
    const namespace = 'default'
    await core.createNamespacedConfigMap({ namespace, body: configMap('before') })
    const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, () =>
      core.listNamespacedConfigMap({ namespace }),
    )
    const told: string[] = []
    for (const verb of ['add', 'update', 'delete'] as const)
      informer.on(verb, ({ metadata }) => void told.push(`${verb} ${metadata?.name}`))
    await informer.start()
    try {
      await vi.waitFor(() => expect(told).toContain('add before'))
      await core.createNamespacedConfigMap({ namespace, body: configMap('now') })
      await vi.waitFor(() => expect(told).toContain('add now'))
      await core.replaceNamespacedConfigMap({ namespace, name: 'now', body: configMap('now', { a: 'b' }) })
      await vi.waitFor(() => expect(told).toContain('update now'))
      await core.deleteNamespacedConfigMap({ namespace, name: 'now' })
      await vi.waitFor(() => expect(told).toContain('delete now'))
      expect(informer.get('before', namespace)).toBeDefined()
    } finally {
      await informer.stop()
    }
  })

  it("reads and writes the mesh's own kinds, and is refused a field that does not exist by its name", async () => {
    const custom = config.makeApiClient(CustomObjectsApi)
    const place = { group: 'security.istio.io', version: 'v1', namespace: 'shop', plural: 'authorizationpolicies' }
    const policy = (name: string, spec: object): object => ({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name, namespace: 'shop' },
      spec,
    })
    await custom.createNamespacedCustomObject({ ...place, body: policy('good', { action: 'DENY' }) })
    const list: KubernetesListObject<KubernetesObject> = await custom.listNamespacedCustomObject(place)
    expect(list.items.map(({ metadata }) => metadata?.name)).toEqual(['good'])
    const wrong = { ...place, fieldValidation: 'Strict', body: policy('wrong', { actoin: 'DENY' }) }
    await expect(custom.createNamespacedCustomObject(wrong)).rejects.toMatchObject({
      code: 400,
      body: expect.stringContaining('spec.actoin'),
    })
  })
})
