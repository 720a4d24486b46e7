import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'

let api: TestApi
let client: KubeClient
beforeAll(async () => {
  api = await startTestApi({ maxWatches: 8, historyEvents: 64 })
  client = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
})
afterAll(async () => {
  client.close()
  await api.close()
})

/** Each test has a namespace of its own. */
async function namespace(name: string): Promise<string> {
  await client.post('/api/v1/namespaces', { metadata: { name } })
  return `/api/v1/namespaces/${name}/configmaps`
}
const named = (name: string, labels: Json = {}): Json => ({ metadata: { name, labels } })
const namesOf = (list: Json): string[] => list.items.map((one: Json) => one.metadata.name)

describe('a list', () => {
  it('in pages shows one state, whatever is written between them', async () => {
    const path = await namespace('pages')
    for (const name of ['a', 'b', 'c', 'd', 'e']) await client.post(path, named(name))
    const first = (await client.get(`${path}?limit=2`)).json
    expect([namesOf(first), first.metadata.remainingItemCount]).toEqual([['a', 'b'], 3])
    await client.delete(`${path}/c`)
    await client.post(path, named('bb'))
    const second = (await client.get(`${path}?limit=2&continue=${first.metadata.continue}`)).json
    const third = (await client.get(`${path}?limit=2&continue=${second.metadata.continue}`)).json
    expect([...namesOf(second), ...namesOf(third)]).toEqual(['c', 'd', 'e'])
    expect([second.metadata.resourceVersion, third.metadata.continue]).toEqual([
      first.metadata.resourceVersion,
      undefined,
    ])
  })

  it('whose next page comes too late is expired', async () => {
    const path = await namespace('late')
    for (const name of ['a', 'b']) await client.post(path, named(name))
    const first = (await client.get(`${path}?limit=1`)).json
    for (let i = 0; i < 70; i++) await client.merge(`${path}/a`, { data: { i: `${i}` } })
    const late = await client.get(`${path}?limit=1&continue=${first.metadata.continue}`)
    expect([late.code, late.json.reason]).toEqual([410, 'Expired'])
    expect((await client.get(`${path}?continue=x`)).json.reason).toBe('BadRequest')
  })

  it('with a selector fills its pages', async () => {
    const path = await namespace('filled')
    for (let i = 0; i < 6; i++) await client.post(path, named(`n${i}`, i % 2 === 0 ? { even: 'yes' } : {}))
    const first = (await client.get(`${path}?limit=2&labelSelector=even`)).json
    expect([namesOf(first), first.metadata.remainingItemCount]).toEqual([['n0', 'n2'], undefined])
    expect(
      namesOf((await client.get(`${path}?limit=2&labelSelector=even&continue=${first.metadata.continue}`)).json),
    ).toEqual(['n4'])
  })

  it('comes as a table, or as metadata alone', async () => {
    const path = await namespace('forms')
    await client.post(path, { ...named('one'), data: { a: 'b' } })
    const table = await client.get(path, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' })
    expect(table.json).toMatchObject({
      kind: 'Table',
      columnDefinitions: [{ name: 'Name' }, { name: 'Data' }, { name: 'Age' }],
      rows: [{ cells: ['one', 1, expect.stringMatching(/^\ds$/)], object: { kind: 'PartialObjectMetadata' } }],
    })
    const partial = await client.get(path, {
      accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
    })
    expect(partial.json).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'one' } }] })
    expect(partial.json.items[0].data).toBeUndefined()
    expect((await client.get(path, { accept: 'text/html' })).json.reason).toBe('NotAcceptable')
    const protobufFirst = await client.get(path, { accept: 'application/vnd.kubernetes.protobuf,application/json' })
    expect(protobufFirst.json.kind).toBe('ConfigMapList')
  })

  it('of a revision that has not been is told so', async () => {
    const answer = await client.get('/api/v1/configmaps?resourceVersion=999999')
    expect(answer.json).toMatchObject({
      code: 504,
      reason: 'Timeout',
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
    })
  })
})

describe('a watch', () => {
  it('tells what is there, then what changes, and ends in time', async () => {
    const path = await namespace('plain')
    await client.post(path, named('a'))
    const watch = await client.watch(`${path}?watch=1&timeoutSeconds=1`)
    expect(await watch.told(1)).toEqual(['ADDED a'])
    await client.post(path, named('b'))
    await client.merge(`${path}/a`, { data: { x: 'y' } })
    await client.delete(`${path}/b`)
    expect(await watch.told(4)).toEqual(['ADDED b', 'MODIFIED a', 'DELETED b'])
  })

  it('goes on from a list without a gap', async () => {
    const path = await namespace('gapless')
    await client.post(path, named('a'))
    const { json: list } = await client.get(path)
    await client.post(path, named('b'))
    const watch = await client.watch(`${path}?watch=true&resourceVersion=${list.metadata.resourceVersion}`)
    expect(await watch.told(1)).toEqual(['ADDED b'])
    watch.close()
  })

  it('with a selector tells of what enters and leaves it', async () => {
    const path = await namespace('selected')
    await client.post(path, named('a', { on: '1' }))
    const watch = await client.watch(`${path}?watch=1&labelSelector=on`)
    await watch.told(1)
    await client.merge(`${path}/a`, { metadata: { labels: { on: null } } })
    await client.post(path, named('never'))
    await client.merge(`${path}/a`, { metadata: { labels: { on: '2' } } })
    const left = await watch.next()
    expect([left.type, left.object.metadata.labels]).toEqual(['DELETED', { on: '1' }])
    expect(await watch.told(1)).toEqual(['ADDED a'])
    watch.close()
  })

  it('marks the end of what was there when asked to', async () => {
    const path = await namespace('initial')
    await client.post(path, named('a'))
    const query = 'watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan'
    const watch = await client.watch(`${path}?${query}`)
    expect(await watch.told(1)).toEqual(['ADDED a'])
    expect(await watch.next()).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
    })
    watch.close()
  })

  it('from too far back is told once that it has expired', async () => {
    const path = await namespace('old')
    await client.post(path, named('a'))
    for (let i = 0; i < 70; i++) await client.merge(`${path}/a`, { data: { i: `${i}` } })
    const watch = await client.watch(`${path}?watch=1&resourceVersion=5`)
    expect(watch.code).toBe(200)
    expect(await watch.next()).toMatchObject({
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired' },
    })
    expect(await watch.next()).toBeUndefined()
  })

  it('as a table sends the columns once', async () => {
    const path = await namespace('tables')
    const watch = await client.watch(`${path}?watch=1`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' })
    for (const name of ['a', 'b']) await client.post(path, named(name))
    const [first, second] = [await watch.next(), await watch.next()]
    expect([first.object.columnDefinitions.length, second.object.columnDefinitions.length]).toEqual([3, 0])
    expect(second.object.rows[0].cells[0]).toBe('b')
    watch.close()
  })

  it('is refused when there are too many, until one ends', async () => {
    const path = await namespace('many')
    const watches = []
    for (let i = 0; i < 8; i++) watches.push(await client.watch(`${path}?watch=1`))
    const refused = await client.get(`${path}?watch=1`)
    expect([refused.code, refused.json.reason, refused.headers['retry-after']]).toEqual([429, 'TooManyRequests', '1'])
    for (const watch of watches) watch.close()
    await expect
      .poll(async () => {
        const again = await client.watch(`${path}?watch=1`)
        again.close()
        return again.code
      })
      .toBe(200)
  })

  it('ends when its kind does', async () => {
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const versions = [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }]
    const names = { kind: 'Brief', plural: 'briefs' }
    await client.post(crds, {
      metadata: { name: 'briefs.demo.dev' },
      spec: { group: 'demo.dev', scope: 'Cluster', names, versions },
    })
    const watch = await client.watch('/apis/demo.dev/v1/briefs?watch=1')
    await client.delete(`${crds}/briefs.demo.dev`)
    expect(await watch.next()).toBeUndefined()
    expect((await client.get('/apis/demo.dev/v1/briefs')).code).toBe(404)
  })
})

describe('discovery', () => {
  it('comes whole in one answer to whoever asks so', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
    const answer = await client.get('/apis', { accept })
    expect(answer.headers['content-type']).toBe('application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList')
    const apps = answer.json.items.find((one: Json) => one.metadata.name === 'apps')
    expect(apps.versions[0].resources).toContainEqual(
      expect.objectContaining({ resource: 'deployments', scope: 'Namespaced', shortNames: ['deploy'] }),
    )
    expect((await client.get('/api', { accept })).json.items[0].metadata).toEqual({})
  })

  it('comes in parts to others', async () => {
    expect((await client.get('/api')).json).toMatchObject({ kind: 'APIVersions', versions: ['v1'] })
    expect((await client.get('/apis')).json.kind).toBe('APIGroupList')
    expect((await client.get('/apis/apps')).json).toMatchObject({
      kind: 'APIGroup',
      preferredVersion: { version: 'v1' },
    })
    const { resources } = (await client.get('/api/v1')).json
    expect(resources).toContainEqual(expect.objectContaining({ name: 'pods/exec', verbs: ['create', 'get'] }))
    expect((await client.get('/apis/none')).json).toMatchObject({ reason: 'NotFound', details: {} })
    expect((await client.get('/apis/apps/v9')).json.reason).toBe('NotFound')
  })
})
