import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#shared/clock'
import { type ApiObject, serverParts, Webhooks } from '../../../src/local/apiserver/index.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { MemoryCa } from '../../support/memory-ca.ts'

interface Review {
  readonly request: {
    readonly uid: string
    readonly operation: string
    readonly kind: { readonly kind: string; readonly version: string }
    readonly subResource?: string
    readonly namespace?: string
    readonly dryRun: boolean
    readonly object: ApiObject | null
    readonly oldObject: ApiObject | null
    readonly userInfo: { readonly username: string }
  }
}
type Answer = (review: Review) => { readonly status?: number; readonly body?: unknown } | 'silence'

const ca = new MemoryCa()
const CA_BUNDLE = Buffer.from(ca.rootPem).toString('base64')
const allow =
  (more: object = {}): Answer =>
  (review) => ({
    body: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: review.request.uid, allowed: true, ...more },
    },
  })
const deny = (message: string): Answer => allow({ allowed: false, status: { message, reason: 'Forbidden' } })
const patch = (operations: readonly object[]): Answer =>
  allow({ patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') })

describe('admission webhooks', () => {
  let api: TestApi
  let server: Server
  let url = ''
  let answer: Answer = allow()
  const asked: Review[] = []
  const access = (): TestApi['server']['access'] => api.server.access

  beforeAll(async () => {
    api = await startTestApi()
    const { keyPem, certPem } = ca.server()
    server = createServer({ key: keyPem, cert: certPem }, (request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      request.on('end', () => {
        const review = JSON.parse(text) as Review
        asked.push(review)
        const given = answer(review)
        if (given !== 'silence')
          response.writeHead(given.status ?? 200).end(given.body === undefined ? 'no' : JSON.stringify(given.body))
      })
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    url = `https://localhost:${(server.address() as AddressInfo).port}/check`
    api.server.addAdmission(new Webhooks({ access: access(), clock: systemClock, applyPatch: serverParts.applyPatch }))
  })
  afterAll(async () => {
    server.closeAllConnections()
    server.close()
    await api.close()
  })
  afterEach(async () => {
    for (const resource of ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'])
      await access()
        .delete({ group: 'admissionregistration.k8s.io', resource, namespace: '', name: 'hook' })
        .catch(() => undefined)
    asked.length = 0
  })

  const install = (kind: 'Validating' | 'Mutating', more: object = {}): Promise<ApiObject> =>
    access().create({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: `${kind}WebhookConfiguration`,
      metadata: { name: 'hook' },
      webhooks: [
        {
          name: 'check.example.com',
          clientConfig: { url, caBundle: CA_BUNDLE },
          rules: [{ operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          ...more,
        },
      ],
    })
  const write = (name: string, more: object = {}): Promise<ApiObject> =>
    access().create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, ...more })
  const ref = (name: string): Parameters<ReturnType<typeof access>['delete']>[0] => ({
    group: '',
    resource: 'configmaps',
    namespace: 'default',
    name,
  })

  it('see every create, change and delete that they asked for, with the object as it was and will be', async () => {
    answer = allow()
    await install('Validating')
    await write('seen', { data: { a: '1' } })
    await access().patch(ref('seen'), 'merge', { data: { a: '2' } })
    await access().delete(ref('seen'))
    await access().create({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'other', namespace: 'default' } })
    const data = (object: ApiObject | null): unknown => object?.data
    expect(
      asked.map(({ request }) => [request.operation, data(request.object), data(request.oldObject), request.namespace]),
    ).toEqual([
      ['CREATE', { a: '1' }, undefined, 'default'],
      ['UPDATE', { a: '2' }, { a: '1' }, 'default'],
      ['DELETE', undefined, { a: '2' }, 'default'],
    ])
  })

  it('are told of a deletion that only tries that it does', async () => {
    answer = allow()
    await write('tried')
    await install('Validating')
    await access().delete(ref('tried'), { isDryRun: true })
    expect(asked.map(({ request }) => [request.operation, request.dryRun])).toEqual([['DELETE', true]])
    expect(access().get(ref('tried'))).toBeDefined()
  })

  it('refuse with their own words, and nothing is written', async () => {
    answer = deny('not on a Monday')
    await install('Validating')
    await expect(write('refused')).rejects.toMatchObject({
      status: {
        reason: 'Forbidden',
        message: 'admission webhook "check.example.com" denied the request: not on a Monday',
      },
    })
    expect(access().get(ref('refused'))).toBeUndefined()
  })

  it('change what they are asked about, and the change is checked like everything else', async () => {
    answer = patch([{ op: 'add', path: '/data', value: { added: 'yes' } }])
    await install('Mutating')
    expect(await write('changed')).toMatchObject({ data: { added: 'yes' } })
    answer = patch([{ op: 'add', path: '/data', value: { 'not a key': 'x' } }])
    await expect(write('wrong')).rejects.toMatchObject({ status: { reason: 'Invalid' } })
    answer = patch([{ op: 'replace', path: '/metadata/name', value: 'elsewhere' }])
    await expect(write('moved')).rejects.toMatchObject({ status: { reason: 'InternalError' } })
    answer = patch([{ op: 'remove', path: '/data/nothing' }])
    await expect(write('missing')).rejects.toMatchObject({ status: { reason: 'InternalError' } })
  })

  it.each<[string, object, boolean]>([
    ['an object whose labels they select', { objectSelector: { matchLabels: { checked: 'yes' } } }, true],
    ['no object whose labels they do not select', { objectSelector: { matchLabels: { checked: 'no' } } }, false],
    [
      'a namespace that they select',
      {
        namespaceSelector: {
          matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['default'] }],
        },
      },
      true,
    ],
    ['no namespace that they do not select', { namespaceSelector: { matchLabels: { no: 'such' } } }, false],
    ['no resource of another scope', { rules: [rule({ scope: 'Cluster' })] }, false],
    ['no subresource in place of the object', { rules: [rule({ resources: ['configmaps/status'] })] }, false],
    ['everything', { rules: [rule({ apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] })] }, true],
  ])('are asked about %s', async (_what, more, isAsked) => {
    answer = allow()
    await install('Validating', more)
    const name = `selected-${randomUUID()}`
    await write(name, { metadata: { name, namespace: 'default', labels: { checked: 'yes' } } })
    expect(asked.length > 0).toBe(isAsked)
  })

  it('get an object in the version that their rule names, unless they want exactly that version', async () => {
    answer = allow()
    const other = { apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] }
    const scaler = (name: string): Promise<ApiObject> =>
      access().create({
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name, namespace: 'default' },
        spec: { maxReplicas: 1, scaleTargetRef: { kind: 'Deployment', name: 'x' } },
      })
    await install('Validating', { rules: [rule(other)] })
    await scaler('one')
    expect(asked.map(({ request: { kind, object } }) => [kind.version, object?.apiVersion])).toEqual([
      ['v1', 'autoscaling/v1'],
    ])
    const { webhooks } = (await access().get({
      group: 'admissionregistration.k8s.io',
      resource: 'validatingwebhookconfigurations',
      namespace: '',
      name: 'hook',
    })) as unknown as { webhooks: object[] }
    await access().patch(
      {
        group: 'admissionregistration.k8s.io',
        resource: 'validatingwebhookconfigurations',
        namespace: '',
        name: 'hook',
      },
      'merge',
      { webhooks: [{ ...webhooks[0], matchPolicy: 'Exact' }] },
    )
    await scaler('two')
    expect(asked.length).toBe(1)
  })

  it.each<[string, Answer, object]>([
    ['answer with an error', () => ({ status: 503 }), {}],
    ['answer with something else', () => ({ body: { kind: 'Status' } }), {}],
    ['answer to another question', allow({ uid: 'another' }), {}],
    ['do not answer in time', () => 'silence', { timeoutSeconds: 1 }],
    ['are not there', allow(), { clientConfig: { url: 'https://127.0.0.1:1/', caBundle: CA_BUNDLE } }],
    [
      'have another certificate',
      allow(),
      { clientConfig: { url: '', caBundle: Buffer.from(new MemoryCa().rootPem).toString('base64') } },
    ],
    [
      'are a service that does not exist',
      allow(),
      { clientConfig: { service: { namespace: 'default', name: 'none' } } },
    ],
  ])('that %s refuse or pass everything, as their failure policy says', async (_what, given, more) => {
    answer = given
    const config = 'clientConfig' in more ? (more.clientConfig as { url?: string }) : undefined
    const fixed = config?.url === '' ? { clientConfig: { ...config, url } } : more
    await install('Validating', fixed)
    const name = `failing-${Math.trunc(performance.now())}`
    await expect(write(name)).rejects.toMatchObject({
      status: {
        reason: 'InternalError',
        message: expect.stringMatching(/^failed calling webhook "check.example.com": /),
      },
    })
    await access().delete({
      group: 'admissionregistration.k8s.io',
      resource: 'validatingwebhookconfigurations',
      namespace: '',
      name: 'hook',
    })
    await install('Validating', { ...fixed, failurePolicy: 'Ignore' })
    expect(await write(name)).toMatchObject({ metadata: { name } })
  })

  it('are found behind a service at its ready pods, by the name of the service', async () => {
    answer = deny('found')
    const { keyPem, certPem } = ca.server(['hook.default.svc'])
    server.setSecureContext({ key: keyPem, cert: certPem })
    const { port } = server.address() as AddressInfo
    const metadata = { name: 'hook', namespace: 'default' }
    await access().create({ apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ port: 443 }] } })
    await access().create({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'hook' } },
      addressType: 'IPv4',
      endpoints: [
        { addresses: ['192.0.2.1'], conditions: { ready: false } },
        { addresses: ['127.0.0.1'], conditions: { ready: true } },
      ],
      ports: [{ name: '', port }],
    })
    await install('Validating', {
      clientConfig: { caBundle: CA_BUNDLE, service: { namespace: 'default', name: 'hook', path: '/check' } },
    })
    await expect(write('by-service')).rejects.toThrow('denied the request: found')
  })

  it.each<[string, object, string]>([
    ['conditions in CEL', { matchConditions: [{ name: 'a', expression: 'true' }] }, 'webhooks[0].matchConditions'],
    ['plain HTTP', { clientConfig: { url: 'http://x/' } }, 'webhooks[0].clientConfig.url'],
    ['neither URL nor service', { clientConfig: {} }, 'webhooks[0].clientConfig'],
    ['only old reviews', { admissionReviewVersions: ['v1beta1'] }, 'webhooks[0].admissionReviewVersions'],
    ['side effects', { sideEffects: 'Some' }, 'webhooks[0].sideEffects'],
    ['a name without domain', { name: 'check' }, 'webhooks[0].name'],
  ])('are refused by the name of the field with %s', async (_what, more, field) => {
    await expect(install('Validating', more)).rejects.toMatchObject({
      status: { reason: 'Invalid', details: { causes: [{ field }] } },
    })
  })

  function rule(more: object): object {
    return { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], ...more }
  }
})
