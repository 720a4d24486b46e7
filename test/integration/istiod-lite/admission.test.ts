import { request } from 'node:https'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { freePorts } from '../../support/free-ports.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { IstiodCluster, POLICIES, policyOfMethods } from '../../support/istiod-cluster.ts'
import { hasKubectl, kubectl } from '../../support/kube-api.ts'
import type { Json } from '../../support/kube-client.ts'

const CONFIGURATION = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/ambit-validator'

let cluster: IstiodCluster
let place: IstiodPlace
beforeEach(async () => {
  cluster = await IstiodCluster.start()
  place = await IstiodPlace.make()
})
afterEach(async () => {
  await place.end()
  await cluster.close()
})

const configuration = async (): Promise<Json> => (await cluster.get(CONFIGURATION)).webhooks?.[0]

/** Resolves once the API server knows whom to ask. */
const start = async (mode: 'warn' | 'strict', more: Readonly<Record<string, string>> = {}): Promise<Istiod> => {
  const [port = 0] = await freePorts(1)
  const istiod = await place.start({
    AMBIT_KUBE_DIR: '',
    KUBECONFIG: cluster.api.kubeconfig,
    AMBIT_ADMISSION: mode,
    AMBIT_WEBHOOK_PORT: String(port),
    AMBIT_ADMISSION_URL: `https://127.0.0.1:${port}`,
    ...more,
  })
  await istiod.serving
  await expect.poll(configuration).toBeDefined()
  return istiod
}

const good = (name: string): Json => policyOfMethods(name, { rules: [{ to: [{ operation: { ports: ['80'] } }] }] })

describe('policies that the API server is given', () => {
  it('are taken with a warning by default, and the webhook may be away', async () => {
    const istiod = await start('warn')
    expect(await configuration()).toMatchObject({ failurePolicy: 'Ignore', sideEffects: 'None' })
    const { code, headers } = await cluster.kube.post(POLICIES, policyOfMethods('p'))
    expect(code).toBe(201)
    expect(headers.warning).toContain('299 - "DeniesMore: ztunnel cannot see methods: more is denied by rule 0')
    expect((await cluster.kube.post(POLICIES, good('good'))).headers.warning).toBeUndefined()
    await istiod.close()
    expect((await cluster.kube.post(POLICIES, policyOfMethods('later'))).code).toBe(201)
  })

  it('are refused in strict mode when they cannot be enforced, and when nobody can be asked', async () => {
    const istiod = await start('strict')
    expect(await configuration()).toMatchObject({ failurePolicy: 'Fail' })
    const refused = await cluster.kube.post(POLICIES, policyOfMethods('p'))
    expect(refused.code).toBe(422)
    expect(refused.json.message).toContain('denied the request: DeniesMore: ztunnel cannot see methods')
    const dryRun = await cluster.kube.post(`${POLICIES}?dryRun=All`, policyOfMethods('p'))
    expect(dryRun.code).toBe(422)
    expect((await cluster.kube.post(POLICIES, good('good'))).code).toBe(201)
    const changed = await cluster.kube.merge(`${POLICIES}/good`, { spec: policyOfMethods('x').spec })
    expect(changed.code).toBe(422)
    await istiod.close()
    expect((await cluster.kube.post(POLICIES, good('later'))).code).toBe(500)
  })

  it('can be labelled and deleted in strict mode even when they could not be made now', async () => {
    await cluster.create(POLICIES, policyOfMethods('old'))
    await cluster.patch(`${POLICIES}/old`, { metadata: { finalizers: ['example.com/hold'] } })
    await start('strict')
    const labelled = await cluster.kube.merge(`${POLICIES}/old`, { metadata: { labels: { a: 'b' } } })
    expect([labelled.code, String(labelled.headers.warning)]).toEqual([200, expect.stringContaining('DeniesMore')])
    expect((await cluster.kube.delete(`${POLICIES}/old`)).code).toBe(200)
    expect((await cluster.kube.merge(`${POLICIES}/old`, { metadata: { finalizers: null } })).code).toBe(200)
    expect((await cluster.kube.get(`${POLICIES}/old`)).code).toBe(404)
  })

  it.each<[string, Json, string]>([
    ['nothing that is there', { targetRefs: [{ group: '', kind: 'Service', name: 'no' }] }, 'TargetNotFound'],
    ['a service without a waypoint', { targetRefs: [{ group: '', kind: 'Service', name: 'web' }] }, 'WaypointMissing'],
    [
      'a Gateway that is not ready',
      { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'waypoint' }] },
      'WaypointNotReady',
    ],
    ['an empty selector', { selector: { matchLabels: {} }, rules: [{}] }, 'SelectorEmpty'],
    ['an action that tunnels do not know', { action: 'AUDIT' }, 'ActionUnsupported'],
  ])('are refused in strict mode when they are bound to %s', async (_what, spec, reason) => {
    await cluster.create('/api/v1/namespaces/shop/services', {
      metadata: { name: 'web' },
      spec: { ports: [{ port: 80 }] },
    })
    await cluster.create('/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways', {
      metadata: { name: 'waypoint' },
      spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
    })
    await start('strict')
    await expect
      .poll(async () => (await cluster.kube.post(`${POLICIES}?dryRun=All`, policyOfMethods('p', spec))).json.message)
      .toContain(`denied the request: ${reason}: `)
  })

  it('are asked about by who believes the root that the configuration carries', async () => {
    await start('warn')
    const bundle = Buffer.from((await configuration()).clientConfig.caBundle, 'base64').toString()
    expect(bundle).toBe(place.rootPem)
  })

  it('are not asked about any more once admission is off', async () => {
    await start('warn')
    await place.end()
    place = await IstiodPlace.make()
    await place.start({ AMBIT_KUBE_DIR: '', KUBECONFIG: cluster.api.kubeconfig, AMBIT_ADMISSION: 'off' })
    await expect.poll(async () => (await cluster.kube.get(CONFIGURATION)).code).toBe(404)
  })
})

describe('the webhook', () => {
  it.each<[string, string, string, number]>([
    ['another path', '/elsewhere', '{}', 404],
    ['no JSON', '/validate', 'x', 400],
    ['no review', '/validate', '{"kind":"Pod"}', 400],
    ['a review without a request', '/validate', '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}', 400],
    [
      'a kind that it does not know',
      '/validate',
      '{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"kind":"X"},"object":{}}}',
      200,
    ],
  ])('answers %s', async (_what, path, body, status) => {
    const { ports } = await start('strict')
    const answered = await new Promise<number>((resolve, reject) => {
      const options = { host: '127.0.0.1', port: ports.webhook, path, method: 'POST', ca: place.rootPem, agent: false }
      const asked = request(options, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      asked.on('error', reject)
      asked.end(body)
    })
    expect(answered).toBe(status)
  })
})

describe.runIf(hasKubectl())('kubectl', () => {
  const apply = (name: string): ReturnType<typeof kubectl> =>
    kubectl(cluster.api, ['apply', '-f', '-'], JSON.stringify(policyOfMethods(name)))

  it('prints the warning, and describe shows condition and event', async () => {
    await start('warn')
    const applied = await apply('p')
    expect(applied.stderr).toContain(
      'Warning: DeniesMore: ztunnel cannot see methods: more is denied by rule 0 than it says',
    )
    expect([applied.code, applied.stdout]).toEqual([0, 'authorizationpolicy.security.istio.io/p created\n'])
    const describe = async (): Promise<string> =>
      (await kubectl(cluster.api, ['describe', 'authorizationpolicy', '-n', 'shop', 'p'])).stdout
    await expect.poll(describe, { timeout: 10_000 }).toMatch(/Warning\s+DeniesMore/)
    expect(await describe()).toContain('ambit.dev/AppliedAsWritten')
  })

  it('is told why a policy is refused', async () => {
    await start('strict')
    const applied = await apply('p')
    expect(applied.code).toBe(1)
    expect(applied.stderr).toContain('admission webhook "policies.ambit.dev" denied the request: DeniesMore:')
  })
})
