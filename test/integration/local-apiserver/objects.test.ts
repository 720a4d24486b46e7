import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'

let api: TestApi
let client: KubeClient
beforeAll(async () => {
  api = await startTestApi()
  client = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
})
afterAll(async () => {
  client.close()
  await api.close()
})

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const PODS = '/api/v1/namespaces/default/pods'
const configMap = (name: string, more: object = {}): Json => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  ...more,
})
const pod = (name: string, spec: object = {}): Json => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'a', image: 'a' }], ...spec },
})

describe('creating', () => {
  it('gives the object identity and time, and refuses a second one', async () => {
    const first = await client.post(
      CONFIG_MAPS,
      configMap('one', { metadata: { name: 'one', uid: 'mine', generation: 7 } }),
    )
    expect(first.code).toBe(201)
    expect(first.json.metadata).toEqual({
      name: 'one',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
      resourceVersion: expect.stringMatching(/^\d+$/),
      creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      ...(first.json.metadata.managedFields === undefined ? {} : { managedFields: expect.anything() }),
    })
    const second = await client.post(CONFIG_MAPS, configMap('one'))
    expect(second.json).toMatchObject({
      kind: 'Status',
      status: 'Failure',
      reason: 'AlreadyExists',
      code: 409,
      details: { name: 'one', kind: 'configmaps' },
    })
  })

  it('makes a name up from generateName', async () => {
    const made = await client.post(CONFIG_MAPS, { metadata: { generateName: 'made-' } })
    expect(made.json.metadata.name).toMatch(/^made-[b-df-hj-np-tv-z2-9]{5}$/)
    expect(made.json.metadata.generateName).toBe('made-')
  })

  it('does nothing in a dry run, but says what it would do', async () => {
    const dry = await client.post(`${CONFIG_MAPS}?dryRun=All`, configMap('dry'))
    expect([dry.code, dry.json.metadata.name]).toEqual([201, 'dry'])
    expect((await client.get(`${CONFIG_MAPS}/dry`)).code).toBe(404)
    expect((await client.post(`${CONFIG_MAPS}?dryRun=Some`, configMap('dry'))).json.reason).toBe('BadRequest')
  })

  it.each<[string, Json, number, RegExp]>([
    ['without a name', { metadata: {} }, 422, /name or generateName is required/],
    ['of another kind', { kind: 'Pod', metadata: { name: 'x' } }, 400, /cannot be handled as a ConfigMap/],
    [
      'of another version',
      { apiVersion: 'v2', metadata: { name: 'x' } },
      400,
      /does not match the expected API version/,
    ],
    ['in another namespace', { metadata: { name: 'x', namespace: 'other' } }, 400, /does not match the namespace/],
    [
      'with a version of its own',
      { metadata: { name: 'x', resourceVersion: '3' } },
      400,
      /should not be set on objects to be created/,
    ],
    [
      'with a label that is none',
      { metadata: { name: 'x', labels: { a: 'b c' } } },
      422,
      /metadata\.labels: Invalid value: "b c"/,
    ],
    ['with labels that are no text', { metadata: { name: 'x', labels: { a: 1 } } }, 422, /metadata\.labels\.a/],
    ['that is a list', [], 400, /no object/],
  ])('is refused %s', async (_what, body, code, message) => {
    const answer = await client.post(CONFIG_MAPS, body)
    expect([answer.code, answer.json.message]).toEqual([code, expect.stringMatching(message)])
  })
})

describe('updating', () => {
  it('needs the version that the client has seen, if it names one', async () => {
    const { json: made } = await client.post(CONFIG_MAPS, configMap('up', { data: { a: '1' } }))
    const changed = await client.put(`${CONFIG_MAPS}/up`, { ...made, data: { a: '2' } })
    expect(changed.code).toBe(200)
    const late = await client.put(`${CONFIG_MAPS}/up`, { ...made, data: { a: '3' } })
    expect(late.json).toMatchObject({
      reason: 'Conflict',
      code: 409,
      message: expect.stringMatching(/object has been modified/),
    })
    expect((await client.put(`${CONFIG_MAPS}/up`, configMap('up', { data: { a: '4' } }))).code).toBe(200)
    expect((await client.put(`${CONFIG_MAPS}/up`, configMap('down'))).json.reason).toBe('BadRequest')
    expect((await client.put(`${CONFIG_MAPS}/gone`, configMap('gone'))).json.reason).toBe('NotFound')
  })

  it('to the same leaves the version as it is', async () => {
    const { json: made } = await client.post(CONFIG_MAPS, configMap('same', { data: { a: '1', b: '2' } }))
    const again = await client.put(`${CONFIG_MAPS}/same`, configMap('same', { data: { b: '2', a: '1' } }))
    expect(again.json.metadata.resourceVersion).toBe(made.metadata.resourceVersion)
  })

  it('cannot change what the server has set', async () => {
    const { json: made } = await client.post(CONFIG_MAPS, configMap('fixed'))
    const body = {
      ...made,
      metadata: { ...made.metadata, creationTimestamp: '2000-01-01T00:00:00Z', generation: 9 },
      data: { a: 'b' },
    }
    const { json } = await client.put(`${CONFIG_MAPS}/fixed`, body)
    expect(json.metadata.creationTimestamp).toBe(made.metadata.creationTimestamp)
    expect(json.metadata.generation).toBeUndefined()
    const other = await client.put(`${CONFIG_MAPS}/fixed`, { ...made, metadata: { ...made.metadata, uid: 'other' } })
    expect(other.json.reason).toBe('Conflict')
  })

  it('counts generations for the spec, not for status or metadata', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments'
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } }
    await client.post(deployments, {
      metadata: { name: 'g' },
      spec: { selector: { matchLabels: { a: 'b' } }, template },
      status: { replicas: 8 },
    })
    const generationAfter = async (path: string, patch: object): Promise<number> =>
      (await client.merge(`${deployments}/g${path}`, patch)).json.metadata.generation
    expect((await client.get(`${deployments}/g`)).json.status).toBeUndefined()
    expect(await generationAfter('', { metadata: { labels: { x: 'y' } } })).toBe(1)
    expect(await generationAfter('', { spec: { replicas: 3 }, status: { replicas: 9 } })).toBe(2)
    expect(await generationAfter('/status', { spec: { replicas: 5 }, status: { replicas: 3 } })).toBe(2)
    const { json } = await client.get(`${deployments}/g`)
    expect([json.spec.replicas, json.status.replicas]).toEqual([3, 3])
    const scale = await client.get(`${deployments}/g/scale`)
    expect(scale.json).toMatchObject({ kind: 'Scale', spec: { replicas: 3 }, status: { replicas: 3, selector: 'a=b' } })
    expect(
      (await client.put(`${deployments}/g/scale`, { ...scale.json, spec: { replicas: 4 } })).json.spec.replicas,
    ).toBe(4)
  })
})

describe('deleting', () => {
  it('answers with a Status that says what went', async () => {
    const { json: made } = await client.post(CONFIG_MAPS, configMap('del'))
    const gone = await client.delete(`${CONFIG_MAPS}/del`)
    expect(gone.json).toMatchObject({
      status: 'Success',
      details: { name: 'del', kind: 'configmaps', uid: made.metadata.uid },
    })
    expect((await client.delete(`${CONFIG_MAPS}/del`)).json.reason).toBe('NotFound')
  })

  it('respects preconditions', async () => {
    const { json: made } = await client.post(CONFIG_MAPS, configMap('pre'))
    expect((await client.delete(`${CONFIG_MAPS}/pre`, { preconditions: { uid: 'x' } })).json.reason).toBe('Conflict')
    const { uid, resourceVersion } = made.metadata
    expect((await client.delete(`${CONFIG_MAPS}/pre`, { preconditions: { uid, resourceVersion } })).code).toBe(200)
  })

  it('waits for finalizers, and lets only them go', async () => {
    await client.post(CONFIG_MAPS, configMap('fin', { metadata: { name: 'fin', finalizers: ['ambit.dev/x'] } }))
    const { json } = await client.delete(`${CONFIG_MAPS}/fin`)
    expect(json.metadata).toMatchObject({ deletionTimestamp: expect.any(String), deletionGracePeriodSeconds: 0 })
    const again = await client.delete(`${CONFIG_MAPS}/fin`)
    expect(again.json.metadata.deletionTimestamp).toBe(json.metadata.deletionTimestamp)
    expect(
      (await client.merge(`${CONFIG_MAPS}/fin`, { metadata: { deletionTimestamp: null } })).json.metadata
        .deletionTimestamp,
    ).toBe(json.metadata.deletionTimestamp)
    await client.merge(`${CONFIG_MAPS}/fin`, { metadata: { finalizers: null } })
    expect((await client.get(`${CONFIG_MAPS}/fin`)).code).toBe(404)
  })

  it('leaves the work to the garbage collector when asked to', async () => {
    for (const [policy, finalizer] of [
      ['Foreground', 'foregroundDeletion'],
      ['Orphan', 'orphan'],
    ]) {
      await client.post(CONFIG_MAPS, configMap(`p-${policy?.toLowerCase()}`))
      const { json } = await client.delete(`${CONFIG_MAPS}/p-${policy?.toLowerCase()}`, { propagationPolicy: policy })
      expect(json.metadata.finalizers).toEqual([finalizer])
    }
  })

  it('gives a pod that runs somewhere its time, and none to one that does not', async () => {
    await client.post(PODS, pod('unplaced'))
    expect((await client.delete(`${PODS}/unplaced`)).json.status).toBe('Success')
    await client.post(PODS, pod('placed', { nodeName: 'n', terminationGracePeriodSeconds: 20 }))
    const { json } = await client.delete(`${PODS}/placed`)
    expect(json.metadata.deletionGracePeriodSeconds).toBe(20)
    expect((await client.get(`${PODS}/placed`)).code).toBe(200)
    expect((await client.delete(`${PODS}/placed`, { gracePeriodSeconds: 0 })).json.status).toBe('Success')
    expect((await client.get(`${PODS}/placed`)).code).toBe(404)
  })

  it('of a collection takes what the selector takes', async () => {
    for (const [name, group] of [
      ['c1', 'x'],
      ['c2', 'x'],
      ['c3', 'y'],
    ])
      await client.post(CONFIG_MAPS, configMap(name ?? '', { metadata: { name, labels: { group } } }))
    expect((await client.delete(`${CONFIG_MAPS}?labelSelector=group%3Dx`)).code).toBe(200)
    const left = await client.get(`${CONFIG_MAPS}?labelSelector=group`)
    expect(left.json.items.map((one: Json) => one.metadata.name)).toEqual(['c3'])
  })

  it('of a namespace stops what is new there, and ends when its own finalizer goes', async () => {
    await client.post('/api/v1/namespaces', { metadata: { name: 'going' } })
    const { json } = await client.delete('/api/v1/namespaces/going')
    expect([json.status.phase, json.spec.finalizers]).toEqual(['Terminating', ['kubernetes']])
    const late = await client.post('/api/v1/namespaces/going/configmaps', configMap('late'))
    expect(late.json).toMatchObject({ reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } })
    await client.put('/api/v1/namespaces/going/finalize', { ...json, spec: { finalizers: [] } })
    expect((await client.get('/api/v1/namespaces/going')).code).toBe(404)
  })
})

describe('namespaces that a cluster needs', () => {
  it.each(['default', 'kube-system'])('cannot be deleted: %s', async (name) => {
    const answer = await client.delete(`/api/v1/namespaces/${name}`)
    expect([answer.code, answer.json.message]).toEqual([403, expect.stringContaining('may not be deleted')])
    expect((await client.delete('/api/v1/namespaces')).json.reason).toBe('MethodNotAllowed')
  })
})

describe('bodies', () => {
  it('may be YAML', async () => {
    const made = await client.post(CONFIG_MAPS, 'metadata:\n  name: yaml\ndata: {a: "b"}\n', {
      type: 'application/yaml',
    })
    expect([made.code, made.json.data]).toEqual([201, { a: 'b' }])
  })

  it('that name a field twice are refused by Strict, and warned of otherwise', async () => {
    const twice = '{"metadata":{"name":"twice"},"data":{"a":"1","a":"2"}}'
    const strict = await client.post(`${CONFIG_MAPS}?fieldValidation=Strict`, twice)
    expect([strict.code, strict.json.message]).toEqual([400, expect.stringContaining('duplicate field "data.a"')])
    const warned = await client.post(`${CONFIG_MAPS}?fieldValidation=Warn`, twice)
    expect([warned.code, warned.headers.warning]).toEqual([201, '299 - "duplicate field \\"data.a\\""'])
  })

  it.each<[string, string | Buffer, string, number, string]>([
    ['are no JSON', '{"metadata":', 'application/json', 400, 'BadRequest'],
    ['are no UTF-8', Buffer.of(0x22, 0xff, 0x22), 'application/json', 400, 'BadRequest'],
    ['are of an unknown type', '<a/>', 'application/xml', 415, 'UnsupportedMediaType'],
    ['are no protobuf', 'k8s', 'application/vnd.kubernetes.protobuf', 400, 'BadRequest'],
    ['are too large', ' '.repeat(3 * 1024 * 1024 + 1), 'application/json', 413, 'RequestEntityTooLarge'],
  ])('that %s are refused', async (_what, body, type, code, reason) => {
    const answer = await client.post(CONFIG_MAPS, body, { type })
    expect([answer.code, answer.json.reason]).toEqual([code, reason])
  })

  it('of strategic patches are not for custom resources', async () => {
    const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const schema = {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    }
    const names = { kind: 'Thing', plural: 'things' }
    await client.post(crds, {
      metadata: { name: 'things.demo.dev' },
      spec: {
        group: 'demo.dev',
        scope: 'Namespaced',
        names,
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    })
    const things = '/apis/demo.dev/v1/namespaces/default/things'
    expect(
      (await client.post(things, { apiVersion: 'demo.dev/v1', kind: 'Thing', metadata: { name: 't' } })).code,
    ).toBe(201)
    const patched = await client.send('PATCH', `${things}/t`, {
      body: {},
      type: 'application/strategic-merge-patch+json',
    })
    expect(patched.json.reason).toBe('UnsupportedMediaType')
  })
})
