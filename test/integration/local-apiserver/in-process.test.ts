import { once } from 'node:events'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AdmissionHook, ApiObject } from '../../../src/local/apiserver/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { KubeClient } from '../../support/kube-client.ts'

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
const configMap = (name: string, more: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default' },
  ...more,
})
const ref = (name: string): { group: string; resource: string; namespace: string; name: string } => ({
  group: '',
  resource: 'configmaps',
  namespace: 'default',
  name,
})

describe('access from inside the process', () => {
  it('sees and does what clients see and do', async () => {
    const { access } = api.server
    const made = await access.create(configMap('in', { data: { a: '1' } }))
    expect((await client.get(`${CONFIG_MAPS}/in`)).json.metadata.uid).toBe(made.metadata.uid)
    await access.update({ ...made, data: { a: '2' } })
    await expect(access.update({ ...made, data: { a: '3' } })).rejects.toMatchObject({ status: { reason: 'Conflict' } })
    await access.patch(ref('in'), 'merge', { metadata: { labels: { x: 'y' } } })
    expect(access.list({ group: '', resource: 'configmaps', namespace: '', labelSelector: 'x' }).items).toMatchObject([
      { data: { a: '2' }, metadata: { name: 'in' } },
    ])
    await access.delete(ref('in'))
    expect(access.get(ref('in'))).toBeUndefined()
    await expect(access.delete(ref('in'))).rejects.toMatchObject({ status: { reason: 'NotFound' } })
    await expect(access.create(configMap('in', { dta: {} }))).rejects.toMatchObject({
      status: { reason: 'BadRequest', message: expect.stringContaining('unknown field "dta"') },
    })
  })

  it('is told what is there and what changes', async () => {
    const { access } = api.server
    await access.create(configMap('seen', { metadata: { name: 'seen', namespace: 'default', labels: { seen: '' } } }))
    const events: string[] = []
    const watch = access.watch(
      { group: '', resource: 'configmaps', namespace: 'default', labelSelector: 'seen' },
      (event) => events.push(`${event.type} ${event.object.metadata.name}`),
    )
    await expect.poll(() => events).toEqual(['ADDED seen'])
    await client.delete(`${CONFIG_MAPS}/seen`)
    await expect.poll(() => events).toEqual(['ADDED seen', 'DELETED seen'])
    watch.stop()
  })

  it('applies as a manager of its own, and makes what is not there', async () => {
    const { access } = api.server
    const applied = await access.patch(ref('applied'), 'apply', configMap('applied', { data: { a: '1' } }), {
      fieldManager: 'm',
    })
    expect(applied.metadata.managedFields).toMatchObject([{ manager: 'm', operation: 'Apply' }])
  })
})

describe('admission', () => {
  const hook = (admit: AdmissionHook['admit']): AdmissionHook => ({
    name: 'test.ambit.dev',
    handles: ({ object }) => object.metadata.name.startsWith('admitted'),
    admit,
  })

  it('may change what is written, warn, and refuse', async () => {
    const remove = api.server.addAdmission(
      hook(async ({ stage, object, operation }) => {
        if (operation === 'DELETE') return { kind: 'refused', message: 'it stays', problems: [] }
        if (stage === 'validate' && (object.data as { bad?: string }).bad !== undefined)
          return {
            kind: 'refused',
            message: '',
            problems: [{ field: 'data.bad', reason: 'FieldValueForbidden', problem: 'Forbidden: no' }],
          }
        if (stage === 'validate') return { kind: 'admitted', object, warnings: [] }
        return {
          kind: 'admitted',
          object: { ...object, data: { ...(object.data as object), added: 'yes' } },
          warnings: ['seen'],
        }
      }),
    )
    const made = await client.post(CONFIG_MAPS, configMap('admitted'))
    expect([made.json.data, made.headers.warning]).toEqual([{ added: 'yes' }, '299 - "seen"'])
    expect((await client.post(CONFIG_MAPS, configMap('admitted-bad', { data: { bad: '' } }))).json).toMatchObject({
      reason: 'Invalid',
      details: { causes: [{ field: 'data.bad' }] },
    })
    const stays = await client.delete(`${CONFIG_MAPS}/admitted`)
    expect([stays.code, stays.json.message]).toEqual([
      403,
      expect.stringContaining('admission "test.ambit.dev" denied the request: it stays'),
    ])
    remove()
    expect((await client.delete(`${CONFIG_MAPS}/admitted`)).code).toBe(200)
  })

  it('that lets others write meanwhile loses none of their writes', async () => {
    const gate = Promise.withResolvers<void>()
    let calls = 0
    const remove = api.server.addAdmission(
      hook(async ({ object, stage, context }) => {
        if (stage === 'mutate' && context.write.fieldManager === 'slow' && ++calls === 1) await gate.promise
        return { kind: 'admitted', object, warnings: [] }
      }),
    )
    await client.post(CONFIG_MAPS, configMap('admitted-race'))
    const patch = (query: string, data: object): ReturnType<KubeClient['merge']> =>
      client.merge(`${CONFIG_MAPS}/admitted-race${query}`, { data })
    const slow = patch('?fieldManager=slow', { slow: '1' })
    await patch('', { fast: '1' })
    gate.resolve()
    expect((await slow).json.data).toEqual({ slow: '1', fast: '1' })
    remove()
  })
})

describe('hostile clients', () => {
  it('that send a huge head are cut off', async () => {
    const answer = await client.get('/version', { headers: { 'x-large': 'x'.repeat(100_000) } }).catch(() => 'cut')
    expect(answer === 'cut' || (answer as { code: number }).code === 431).toBe(true)
  })

  it('that speak no HTTP get an error and the end', async () => {
    const socket = connect({
      port: Number(new URL(api.server.url).port),
      host: '127.0.0.1',
      ca: api.server.caPem,
      servername: 'localhost',
    })
    await once(socket, 'secureConnect')
    socket.end('nonsense\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toMatch(/^HTTP\/1\.1 400/)
  })

  it('that ask for an upgrade of what is no stream get a Status', async () => {
    const answer = await client.get('/version', { headers: { connection: 'Upgrade', upgrade: 'websocket' } })
    expect([answer.code, answer.json.reason]).toEqual([400, 'BadRequest'])
  })
})
