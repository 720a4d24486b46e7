import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '#shared/clock'
import { type SpiffeId, spiffeId } from '#shared/model'
import { createCsr } from '#shared/pki'
import { CaClient } from '#shared/xds'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { IstiodPlace, type MeshMirror } from '../../support/istiod.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'

const REDIRECTION = 'ambient.istio.io/redirection'
const ROOT_MAP = '/api/v1/namespaces/shop/configmaps/istio-ca-root-cert'
const web: SpiffeId = spiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount: 'web' })

describe('the control plane of a cluster', () => {
  let api: TestApi
  let kube: KubeClient
  let place: IstiodPlace
  let istiod: Istiod
  const clients: CaClient[] = []

  beforeEach(async () => {
    api = await startTestApi()
    await installMeshCrds(readMeshCrds(new URL('../../../daemonset/crds/', import.meta.url)), api.server.access)
    kube = new KubeClient(api.server, api.server.issueClient('admin', 'system:masters'))
    for (const name of ['istio-system', 'shop']) await create('/api/v1/namespaces', { metadata: { name } })
    for (const [namespace, name] of [
      ['istio-system', 'ztunnel'],
      ['shop', 'web'],
    ])
      await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name } })
    await createPod('istio-system', 'ztunnel-a', 'ztunnel', '10.0.0.1')
    place = await IstiodPlace.make()
  })

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()))
    await place.end()
    kube.close()
    await api.close()
  })

  async function create(path: string, body: Json): Promise<Json> {
    const { code, json, text } = await kube.post(path, body)
    if (code >= 300) throw new Error(`POST ${path}: ${code} ${text}`)
    return json
  }

  async function createPod(namespace: string, name: string, account: string, podIP: string): Promise<void> {
    const pods = `/api/v1/namespaces/${namespace}/pods`
    const spec = { nodeName: 'node-a', serviceAccountName: account, containers: [{ name: 'c', image: 'i' }] }
    await create(pods, { metadata: { name }, spec })
    const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions: [{ type: 'Ready', status: 'True' }] }
    await patch(`${pods}/${name}/status`, { status })
  }

  async function patch(path: string, body: Json): Promise<void> {
    const { code, text } = await kube.send('PATCH', path, { body, type: 'application/merge-patch+json' })
    if (code >= 300) throw new Error(`PATCH ${path}: ${code} ${text}`)
  }

  async function tokenOf(namespace: string, account: string, pod: string, audience = 'istio-ca'): Promise<string> {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: pod }
    const spec = { audiences: [audience], expirationSeconds: 3600, boundObjectRef }
    return (await create(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, { spec })).status.token
  }

  async function start(): Promise<void> {
    istiod = await place.start({ AMBIT_KUBE_DIR: '', AMBIT_TOKEN_JWKS: '', KUBECONFIG: api.kubeconfig })
    await istiod.serving
  }

  async function connect(): Promise<MeshMirror> {
    return place.connect(istiod, { token: await tokenOf('istio-system', 'ztunnel', 'ztunnel-a') })
  }

  function ask(token: string, impersonatedId?: SpiffeId): Promise<readonly string[]> {
    const client = new CaClient(place.endpoint(istiod.ports.grpc, token), systemClock)
    clients.push(client)
    return client.createCertificate({ csrPem: createCsr(web).csrPem, impersonatedId, validitySeconds: 0 }, 5_000)
  }

  it('writes what becomes of routes and rules into their status', async () => {
    const routes = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes'
    const virtualServices = '/apis/networking.istio.io/v1/namespaces/shop/virtualservices'
    const ref = { group: '', kind: 'Service', name: 'cart' }
    await create('/api/v1/namespaces/shop/services', { metadata: { name: 'cart' }, spec: { ports: [{ port: 80 }] } })
    await create(routes, {
      metadata: { name: 'items' },
      spec: { parentRefs: [ref], rules: [{ backendRefs: [{ name: 'gone', port: 80 }] }] },
    })
    await create(virtualServices, {
      metadata: { name: 'lost' },
      spec: { http: [{ route: [{ destination: { host: 'cart' } }] }] },
    })
    await start()
    await expect
      .poll(async () => (await kube.get(`${routes}/items`)).json.status, { timeout: 10_000 })
      .toMatchObject({
        parents: [
          {
            parentRef: ref,
            controllerName: 'ambit.dev/mesh-controller',
            conditions: [
              { type: 'Accepted', status: 'True', message: expect.stringContaining('it has no effect yet') },
              { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound' },
            ],
          },
        ],
      })
    await expect
      .poll(async () => (await kube.get(`${virtualServices}/lost`)).json.status, { timeout: 10_000 })
      .toMatchObject({
        conditions: [
          {
            type: 'ambit.dev/AppliedAsWritten',
            status: 'False',
            message: expect.stringMatching(/^spec\.hosts: is missing/),
          },
        ],
      })

    await patch(`${routes}/items`, { spec: { rules: [{ backendRefs: [{ name: 'cart', port: 80 }] }] } })
    await expect
      .poll(async () => (await kube.get(`${routes}/items`)).json.status?.parents?.[0]?.conditions?.[1], {
        timeout: 10_000,
      })
      .toMatchObject({ type: 'ResolvedRefs', status: 'True' })
  })

  it('tells tunnels of pods and policies as the API changes', async () => {
    await start()
    const mirror = await connect()
    const web = 'Kubernetes//Pod/shop/web-1'
    const protocol = (): unknown => {
      const address = mirror.addresses.get(web)
      return address?.kind === 'workload' ? address.workload.protocol : undefined
    }
    await createPod('shop', 'web-1', 'web', '10.0.1.1')
    await mirror.until(() => mirror.addresses.has(web))
    expect(protocol()).toBe('TCP')
    // Enrolled, but no agent has said that it is captured.
    await patch('/api/v1/namespaces/shop', { metadata: { labels: { 'istio.io/dataplane-mode': 'ambient' } } })
    await create('/apis/security.istio.io/v1/namespaces/shop/authorizationpolicies', {
      metadata: { name: 'deny' },
      spec: { action: 'DENY', rules: [{}] },
    })
    await mirror.until(() => mirror.policies.has('shop/deny'))
    expect(protocol()).toBe('TCP')
    await patch('/api/v1/namespaces/shop/pods/web-1/status', {
      metadata: { annotations: { [REDIRECTION]: 'enabled' } },
    })
    await mirror.until(() => protocol() === 'HBONE')
    await patch('/api/v1/namespaces/shop/pods/web-1/status', { metadata: { annotations: { [REDIRECTION]: null } } })
    await mirror.until(() => protocol() === 'TCP')
  })

  it('tells tunnels of entries, and follows the ConfigMap of the mesh', async () => {
    await start()
    const mirror = await connect()
    const networking = '/apis/networking.istio.io/v1/namespaces/shop'
    await create(`${networking}/workloadentries`, {
      metadata: { name: 'vm' },
      spec: { address: '198.51.100.2', labels: { app: 'vm' } },
    })
    await create(`${networking}/serviceentries`, {
      metadata: { name: 'ext' },
      spec: {
        hosts: ['ext.example'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }],
        resolution: 'STATIC',
        workloadSelector: { labels: { app: 'vm' } },
      },
    })
    const service = () => {
      const address = mirror.addresses.get('shop/ext.example')
      return address?.kind === 'service' ? address.service : undefined
    }
    const services = () => {
      const address = mirror.addresses.get('Kubernetes/networking.istio.io/WorkloadEntry/shop/vm')
      return address?.kind === 'workload' ? [...address.workload.services] : []
    }
    await mirror.until(() => service()?.visibility === 'Public' && services().length > 0)
    expect(services()).toEqual([['shop/ext.example', [{ servicePort: 80, targetPort: 8080 }]]])
    const given = service()?.vips.map(({ ip }) => ip)
    expect(given).toEqual([expect.stringMatching(/^240\.240\./), expect.stringMatching(/^2001:2:/)])
    const written = async () => (await kube.get(`${networking}/serviceentries/ext`)).json.status?.addresses
    await vi.waitFor(async () =>
      expect(await written()).toEqual(given?.map((value) => ({ value, host: 'ext.example' }))),
    )

    const settings = '/api/v1/namespaces/istio-system/configmaps'
    const sayWhoSees = (who: string): Json => ({
      data: { mesh: `serviceEntryVisibility: {defaultVisibility: ${who}}` },
    })
    await create(settings, { metadata: { name: 'istio' }, ...sayWhoSees('NAMESPACE') })
    await mirror.until(() => service()?.visibility === 'Namespace')
    // What makes no sense changes nothing; what is written beside it arrives all the same.
    await patch(`${settings}/istio`, sayWhoSees('EVERYONE'))
    await patch(`${networking}/serviceentries/ext/status`, {
      status: { addresses: [{ host: 'ext.example', value: '240.240.7.7' }] },
    })
    await mirror.until(() => service()?.vips[0]?.ip === '240.240.7.7')
    expect(service()).toMatchObject({ visibility: 'Namespace', vips: [{}, { ip: given?.[1] }] })
    await vi.waitFor(async () => expect(await written()).toHaveLength(2))
    await patch(`${settings}/istio`, sayWhoSees('NONE'))
    await mirror.until(() => service() === undefined && services().length === 0)
    // Its addresses are still its own, for when it is seen again.
    expect(await written()).toContainEqual({ host: 'ext.example', value: '240.240.7.7' })
    await patch(`${networking}/serviceentries/ext`, { spec: { addresses: ['192.0.2.1'] } })
    await vi.waitFor(async () => expect(await written()).toBeUndefined())
  })

  it('asks the cluster whose a token is', async () => {
    await createPod('shop', 'web-1', 'web', '10.0.1.1')
    await start()
    const tunnel = await tokenOf('istio-system', 'ztunnel', 'ztunnel-a')
    expect(await ask(tunnel, web)).toHaveLength(2)
    expect(await ask(await tokenOf('shop', 'web', 'web-1'))).toHaveLength(2)
    const refused: [string, string][] = [
      ['for others', await tokenOf('istio-system', 'ztunnel', 'ztunnel-a', 'others')],
      ['forged', `${tunnel.slice(0, -8)}AAAAAAAA`],
      ['garbage', 'x.y.z'],
    ]
    for (const [what, token] of refused) await expect(ask(token, web), what).rejects.toThrow('status 16')
    await kube.send('DELETE', '/api/v1/namespaces/istio-system/pods/ztunnel-a?gracePeriodSeconds=0')
    const other = await place.start({
      AMBIT_KUBE_DIR: '',
      AMBIT_TOKEN_JWKS: '',
      KUBECONFIG: api.kubeconfig,
      AMBIT_STATE_DIR: place.stateDir,
    })
    await other.serving
    istiod = other
    await expect(ask(tunnel, web), 'of a pod that is gone').rejects.toThrow('status 16')
  })

  it('says that it cannot tell when the cluster does not answer, and goes on serving what it knows', async () => {
    await createPod('shop', 'web-1', 'web', '10.0.1.1')
    await start()
    const token = await tokenOf('istio-system', 'ztunnel', 'ztunnel-a')
    const mirror = await place.connect(istiod, { token })
    await mirror.until(() => mirror.addresses.size > 1)
    await api.close()
    await expect(ask(await place.issuer.token(), web)).rejects.toThrow('status 14')
    // Remembered for some seconds.
    const again = await place.connect(istiod, { token })
    await again.until(() => again.addresses.size > 1)
    expect(again.names).toEqual(mirror.names)
  })

  it('keeps its root in every namespace: new ones, and where somebody changes or deletes it', async () => {
    await start()
    const rootOf = async (path = ROOT_MAP): Promise<unknown> => (await kube.get(path)).json?.data?.['root-cert.pem']
    await expect.poll(() => rootOf()).toBe(place.rootPem)
    expect((await kube.get(ROOT_MAP)).json.metadata.labels).toEqual({ 'istio.io/config': 'true' })
    await patch(ROOT_MAP, { data: { 'root-cert.pem': 'another' } })
    await expect.poll(() => rootOf()).toBe(place.rootPem)
    await kube.send('DELETE', ROOT_MAP)
    await expect.poll(() => rootOf()).toBe(place.rootPem)
    for (const name of ['later', 'kube-node-lease']) await kube.post('/api/v1/namespaces', { metadata: { name } })
    await expect.poll(() => rootOf(ROOT_MAP.replace('shop', 'later'))).toBe(place.rootPem)
    expect((await kube.get(ROOT_MAP.replace('shop', 'kube-node-lease'))).code).toBe(404)
  })
})
