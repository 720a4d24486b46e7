import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Istiod } from '../../../src/istiod-lite/app.ts'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/crd/index.ts'
import { IstiodPlace } from '../../support/istiod.ts'
import { startTestApi, type TestApi } from '../../support/kube-api.ts'
import { type Json, KubeClient } from '../../support/kube-client.ts'

const GATEWAYS = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/gateways'
const CLASSES = '/apis/gateway.networking.k8s.io/v1/gatewayclasses'
const PATHS = {
  account: '/api/v1/namespaces/shop/serviceaccounts/waypoint',
  deployment: '/apis/apps/v1/namespaces/shop/deployments/waypoint',
  service: '/api/v1/namespaces/shop/services/waypoint',
  autoscaler: '/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/waypoint',
  budget: '/apis/policy/v1/namespaces/shop/poddisruptionbudgets/waypoint',
} as const
const HOST = 'waypoint.shop.svc.cluster.local'

describe('Gateways of waypoints', () => {
  let api: TestApi
  let kube: KubeClient
  let place: IstiodPlace
  let istiod: Istiod

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
    place = await IstiodPlace.make()
    istiod = await place.start({ AMBIT_KUBE_DIR: '', KUBECONFIG: api.kubeconfig })
    await istiod.serving
  })

  afterEach(async () => {
    await place.end()
    kube.close()
    await api.close()
  })

  async function create(path: string, body: Json): Promise<Json> {
    const { code, json, text } = await kube.post(path, body)
    if (code >= 300) throw new Error(`POST ${path}: ${code} ${text}`)
    return json
  }

  async function patch(path: string, body: Json): Promise<void> {
    const { code, text } = await kube.send('PATCH', path, { body, type: 'application/merge-patch+json' })
    if (code >= 300) throw new Error(`PATCH ${path}: ${code} ${text}`)
  }

  const get = async (path: string): Promise<Json> => (await kube.get(path)).json
  const codes = async (...paths: readonly string[]): Promise<readonly number[]> =>
    Promise.all(paths.map(async (path) => (await kube.get(path)).code))

  function gateway(more: Json = {}, metadata: Json = {}): Promise<Json> {
    const listeners = [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }]
    const spec = { gatewayClassName: 'istio-waypoint', listeners, ...more }
    return create(GATEWAYS, { metadata: { name: 'waypoint', ...metadata }, spec })
  }

  /** `Accepted` and `Programmed`, with their reasons. */
  async function conditions(name = 'waypoint'): Promise<Readonly<Record<string, string>>> {
    const { status = {} } = await get(`${GATEWAYS}/${name}`)
    const entries = (status.conditions ?? []).map((each: Json) => [each.type, `${each.status} ${each.reason}`])
    return Object.fromEntries(entries)
  }

  async function isMade(): Promise<void> {
    await expect.poll(() => codes(PATHS.account, PATHS.deployment, PATHS.service)).toEqual([200, 200, 200])
  }

  function endpoint(): Promise<Json> {
    return create('/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices', {
      metadata: { name: 'waypoint-1', labels: { 'kubernetes.io/service-name': 'waypoint' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.77'], conditions: { ready: true } }],
      ports: [{ name: 'mesh', port: 15_008, protocol: 'TCP' }],
    })
  }

  it('have their account, deployment and service, which follow their edits and go with them', async () => {
    await gateway({}, { labels: { team: 'a' } })
    await isMade()
    const deployment = await get(PATHS.deployment)
    expect(deployment.metadata.labels).toMatchObject({
      'gateway.istio.io/managed': 'istio.io-mesh-controller',
      team: 'a',
    })
    expect((await get(PATHS.service)).spec).toMatchObject({
      type: 'ClusterIP',
      selector: { 'gateway.networking.k8s.io/gateway-name': 'waypoint' },
      ports: [
        { name: 'status-port', port: 15_021, appProtocol: 'tcp' },
        { name: 'mesh', port: 15_008, appProtocol: 'hbone' },
      ],
    })
    await expect.poll(() => conditions()).toEqual({ Accepted: 'True Accepted', Programmed: 'False AddressNotAssigned' })

    await patch(`${GATEWAYS}/waypoint`, { metadata: { labels: { team: 'b' } } })
    await expect.poll(async () => (await get(PATHS.deployment)).metadata.labels.team).toBe('b')
    await expect.poll(async () => (await get(PATHS.service)).metadata.labels.team).toBe('b')

    await kube.send('DELETE', `${GATEWAYS}/waypoint`)
    await expect.poll(() => codes(PATHS.account, PATHS.deployment, PATHS.service)).toEqual([404, 404, 404])
  })

  it('leave alone what others set on their objects, and put back what is theirs', async () => {
    await gateway()
    await isMade()
    await patch(PATHS.deployment, { metadata: { annotations: { note: 'mine' } }, spec: { replicas: 3 } })
    await patch(PATHS.deployment, { spec: { template: { spec: { serviceAccountName: 'other' } } } })
    const deployment = async (): Promise<Json> => (await get(PATHS.deployment)).spec.template.spec.serviceAccountName
    await expect.poll(deployment).toBe('waypoint')
    await kube.send('DELETE', PATHS.service)
    await expect.poll(() => codes(PATHS.service)).toEqual([200])
    await patch(`${GATEWAYS}/waypoint`, { metadata: { labels: { round: 'second' } } })
    await expect.poll(async () => (await get(PATHS.deployment)).metadata.labels.round).toBe('second')
    expect(await get(PATHS.deployment)).toMatchObject({
      metadata: { annotations: { note: 'mine' } },
      spec: { replicas: 3 },
    })
  })

  it('are told where they are reached once a pod is ready, and from then on services use them', async () => {
    const mirror = await place.connect(istiod, { token: await place.issuer.token() })
    await create('/api/v1/namespaces/shop/services', {
      metadata: { name: 'web', labels: { 'istio.io/use-waypoint': 'waypoint' } },
      spec: { ports: [{ name: 'http', port: 80 }], selector: { app: 'web' } },
    })
    const waypoint = (): unknown => {
      const address = mirror.addresses.get('shop/web.shop.svc.cluster.local')
      return address?.kind === 'service' ? address.service.waypoint?.destination : undefined
    }
    await gateway()
    await expect.poll(() => conditions()).toMatchObject({ Programmed: 'False AddressNotAssigned' })
    await mirror.until(() => mirror.addresses.has('shop/web.shop.svc.cluster.local'))
    expect(waypoint()).toBeUndefined()
    const bound = async (): Promise<string> => {
      const { status = {} } = await get('/api/v1/namespaces/shop/services/web')
      const [condition] = (status.conditions ?? []).filter((each: Json) => each.type === 'istio.io/WaypointBound')
      return `${condition?.status} ${condition?.reason}`
    }
    await expect.poll(bound).toBe('False WaypointIsNotReady')

    // What the cluster does when a service is made, and when a pod behind it is ready.
    await patch(PATHS.service, { spec: { clusterIP: '10.96.0.15', clusterIPs: ['10.96.0.15'] } })
    await endpoint()
    await expect.poll(() => conditions()).toEqual({ Accepted: 'True Accepted', Programmed: 'True Programmed' })
    await mirror.until(() => waypoint() !== undefined)
    expect(waypoint()).toEqual({ kind: 'hostname', namespace: 'shop', hostname: HOST })
    await expect.poll(bound).toBe('True WaypointAccepted')
    const { status, metadata } = await get(`${GATEWAYS}/waypoint`)
    expect(status.addresses).toEqual([
      { type: 'IPAddress', value: '10.96.0.15' },
      { type: 'Hostname', value: HOST },
    ])
    expect(status.listeners).toMatchObject([{ name: 'mesh', attachedRoutes: 0 }])
    expect(status.conditions[0].observedGeneration).toBe(metadata.generation)

    // An address is never taken back: clients would go past the waypoint each time that its pods are replaced.
    await kube.send('DELETE', '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/waypoint-1')
    await expect.poll(() => conditions()).toMatchObject({ Programmed: 'False AddressNotAssigned' })
    expect((await get(`${GATEWAYS}/waypoint`)).status.addresses).toHaveLength(2)
    expect(waypoint()).toBeDefined()
  })

  it('are refused by name, and what was made for them stays', async () => {
    await gateway()
    await isMade()
    const parametersRef = { group: '', kind: 'ConfigMap', name: 'params' }
    await patch(`${GATEWAYS}/waypoint`, { spec: { infrastructure: { parametersRef } } })
    await expect.poll(() => conditions()).toEqual({ Accepted: 'False InvalidParameters', Programmed: 'False Invalid' })
    expect(await codes(PATHS.deployment)).toEqual([200])

    const budget = 'spec: {minAvailable: 1}'
    const data = {
      deployment: 'spec: {replicas: 2}',
      podDisruptionBudget: budget,
      horizontalPodAutoscaler: 'spec: {maxReplicas: 5}',
    }
    await create('/api/v1/namespaces/shop/configmaps', { metadata: { name: 'params' }, data })
    await expect.poll(() => codes(PATHS.budget, PATHS.autoscaler)).toEqual([200, 200])
    expect((await get(PATHS.budget)).spec).toMatchObject({ minAvailable: 1 })
    expect((await get(PATHS.autoscaler)).spec).toMatchObject({ maxReplicas: 5, scaleTargetRef: { name: 'waypoint' } })
    expect((await get(PATHS.deployment)).spec.replicas).toBe(2)
    await expect.poll(() => conditions()).toMatchObject({ Accepted: 'True Accepted' })

    await patch('/api/v1/namespaces/shop/configmaps/params', { data: { podDisruptionBudget: null } })
    await expect.poll(() => codes(PATHS.budget)).toEqual([404])

    await create(GATEWAYS, {
      metadata: { name: 'wrong' },
      spec: { gatewayClassName: 'ambit-waypoint', listeners: [{ name: 'web', port: 80, protocol: 'HTTP' }] },
    })
    await expect
      .poll(() => conditions('wrong'))
      .toEqual({ Accepted: 'False ListenersNotValid', Programmed: 'False Invalid' })
    const { status } = await get(`${GATEWAYS}/wrong`)
    expect(status.listeners[0].conditions).toContainEqual(
      expect.objectContaining({ type: 'Accepted', status: 'False', reason: 'UnsupportedProtocol' }),
    )
  })

  it('do not touch an object of their name that is somebody else’s', async () => {
    await create('/api/v1/namespaces/shop/services', {
      metadata: { name: 'waypoint' },
      spec: { ports: [{ port: 80 }] },
    })
    await gateway()
    await expect.poll(() => conditions()).toMatchObject({ Programmed: 'False Invalid' })
    const { status } = await get(`${GATEWAYS}/waypoint`)
    expect(status.conditions).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining('Service shop/waypoint is there already') }),
    )
    expect((await get(PATHS.service)).spec.ports).toHaveLength(1)
    await kube.send('DELETE', `${GATEWAYS}/waypoint`)
    await expect.poll(() => codes(PATHS.deployment)).toEqual([404])
    expect(await codes(PATHS.service)).toEqual([200])
  })

  it('do not take each other’s objects', async () => {
    await gateway()
    await isMade()
    const other = { name: 'other', annotations: { 'gateway.istio.io/name-override': 'waypoint' } }
    await gateway({}, other)
    await expect.poll(() => conditions('other')).toMatchObject({ Programmed: 'False Invalid' })
    const { labels } = (await get(PATHS.deployment)).metadata
    expect(labels).toMatchObject({ 'gateway.networking.k8s.io/gateway-name': 'waypoint' })
  })

  it('of other classes, or of a newer controller, are left alone', async () => {
    await create(CLASSES, { metadata: { name: 'theirs' }, spec: { controllerName: 'example.com/theirs' } })
    await gateway({ gatewayClassName: 'theirs' })
    await create(GATEWAYS, {
      metadata: { name: 'newer', annotations: { 'gateway.istio.io/controller-version': '6' } },
      spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
    })
    await create(GATEWAYS, {
      metadata: { name: 'last' },
      spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
    })
    await expect.poll(() => conditions('last')).toMatchObject({ Accepted: 'True Accepted' })
    expect(await codes(PATHS.deployment, PATHS.deployment.replace(/waypoint$/, 'newer'))).toEqual([404, 404])
    expect([await conditions(), await conditions('newer')]).toEqual([{}, {}])
  })

  it('have their classes, which come back when they are deleted', async () => {
    const accepted = async (name: string): Promise<unknown> =>
      (await get(`${CLASSES}/${name}`)).status?.conditions?.[0]?.status
    for (const name of ['istio-waypoint', 'ambit-waypoint', 'istio-remote'])
      await expect.poll(() => accepted(name)).toBe('True')
    await kube.send('DELETE', `${CLASSES}/ambit-waypoint`)
    await expect.poll(() => accepted('ambit-waypoint')).toBe('True')
  })
})
