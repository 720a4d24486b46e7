import { describe, expect, it } from 'vitest'
import { type Gateway, type GatewayClass, readObjects } from '#shared/k8s'
import type { ApiDocument } from '#shared/kube-client'
import {
  type ParametersMap,
  parametersKind,
  readParameters,
} from '../../../../src/istiod-lite/deployments/parameters.ts'
import { type GatewayDecision, type GatewayPlan, planGateway } from '../../../../src/istiod-lite/deployments/plan.ts'

const settings = {
  clusterId: 'Kubernetes',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  waypointImage: 'ambit/waypoint',
}
const HBONE = '{name: mesh, port: 15008, protocol: HBONE}'

const waypoint = (more = '', metadata = '', listeners = HBONE, className = 'istio-waypoint'): Gateway => {
  const { objects, problems } = readObjects(
    `apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: waypoint, namespace: shop, uid: u1${metadata}}\nspec: {gatewayClassName: ${className}, listeners: [${listeners}]${more}}\n`,
    'test',
  )
  expect(problems).toEqual([])
  return objects[0] as Gateway
}

const mapOf = (
  data: Readonly<Record<string, string>>,
  created = '2026-01-01T00:00:00Z',
  name = 'params',
): ParametersMap => {
  const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: shop, creationTimestamp: "${created}"}\ndata: ${JSON.stringify(data)}\n`
  return readObjects(text, 'test', [parametersKind]).objects[0] as ParametersMap
}

interface Around {
  readonly own?: ParametersMap
  readonly defaults?: readonly ParametersMap[]
  readonly network?: string
  readonly gatewayClass?: GatewayClass
}

const plan = (
  gateway: Gateway,
  { own, defaults = [], network = '', gatewayClass }: Around = {},
): GatewayPlan | undefined =>
  planGateway(gateway, {
    gatewayClass,
    parameters: () => readParameters(gateway, defaults, () => own),
    network,
    settings,
  })

const decide = (gateway: Gateway, around?: Around): GatewayDecision | undefined => plan(gateway, around)?.decision

/** Documents of what is made, by kind. */
const made = (gateway: Gateway, around?: Around): Readonly<Record<string, ApiDocument>> => {
  const decision = decide(gateway, around)
  if (decision?.kind !== 'managed') throw new Error(JSON.stringify(decision))
  return Object.fromEntries(decision.objects.map(({ resource, document }) => [resource.kind, document]))
}

const PARAMETERS = ', infrastructure: {parametersRef: {group: "", kind: ConfigMap, name: params}}'
const labels = {
  'gateway.networking.k8s.io/gateway-name': 'waypoint',
  'gateway.networking.k8s.io/gateway-class-name': 'istio-waypoint',
  'gateway.istio.io/managed': 'istio.io-mesh-controller',
}
const ownerReferences = [{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name: 'waypoint', uid: 'u1' }]

describe('what is made for a Gateway', () => {
  it('is an account, a deployment and a service of its name, which it owns', () => {
    const objects = made(waypoint())
    const metadata = { name: 'waypoint', namespace: 'shop', labels, annotations: {}, ownerReferences }
    expect(Object.keys(objects)).toEqual(['ServiceAccount', 'Deployment', 'Service'])
    expect(objects.ServiceAccount).toEqual({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
    expect(objects.Service).toEqual({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { ...metadata, annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose' } },
      spec: {
        type: 'ClusterIP',
        ipFamilyPolicy: 'PreferDualStack',
        ports: [
          { name: 'status-port', port: 15_021, protocol: 'TCP', appProtocol: 'tcp' },
          { name: 'mesh', port: 15_008, protocol: 'TCP', appProtocol: 'hbone' },
        ],
        selector: { 'gateway.networking.k8s.io/gateway-name': 'waypoint' },
      },
    })
    expect(objects.Deployment).toMatchObject({ apiVersion: 'apps/v1', metadata })
  })

  it('leaves the number of pods to whoever scales them', () => {
    expect(made(waypoint()).Deployment?.spec).not.toHaveProperty('replicas')
  })

  it('runs pods that no tunnel captures, with their own account, root and token', () => {
    expect(made(waypoint(), { network: 'net1' }).Deployment).toMatchObject({
      spec: {
        selector: { matchLabels: { 'gateway.networking.k8s.io/gateway-name': 'waypoint' } },
        template: {
          metadata: {
            labels: { ...labels, 'istio.io/dataplane-mode': 'none', 'service.istio.io/canonical-name': 'waypoint' },
            annotations: { 'istio.io/rev': 'default', 'prometheus.io/port': '15020' },
          },
          spec: {
            serviceAccountName: 'waypoint',
            containers: [
              {
                name: 'istio-proxy',
                image: 'ambit/waypoint',
                readinessProbe: { httpGet: { path: '/healthz/ready', port: 15_021 } },
                env: expect.arrayContaining([
                  { name: 'XDS_ADDRESS', value: 'https://istiod.istio-system.svc:15012' },
                  { name: 'NETWORK', value: 'net1' },
                  { name: 'AMBIT_GATEWAY', value: 'waypoint' },
                  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                ]),
              },
            ],
            volumes: expect.arrayContaining([{ name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } }]),
          },
        },
      },
    })
  })

  const rows: readonly [shows: string, gateway: Gateway, around: Around, kind: string, document: object][] = [
    [
      'carries the labels and annotations of the Gateway',
      waypoint('', ', labels: {team: a}, annotations: {note: b, gateway.istio.io/controller-version: "5"}'),
      {},
      'ServiceAccount',
      { metadata: { labels: { ...labels, team: 'a' }, annotations: { note: 'b' } } },
    ],
    [
      'carries those of its infrastructure instead, when that is given',
      waypoint(', infrastructure: {labels: {team: b}}', ', labels: {team: a, other: c}'),
      {},
      'ServiceAccount',
      { metadata: { labels: { ...labels, team: 'b' }, annotations: {} } },
    ],
    [
      'has another name, and so has its account',
      waypoint('', ', annotations: {gateway.istio.io/name-override: edge}'),
      {},
      'ServiceAccount',
      { metadata: { name: 'edge' } },
    ],
    [
      'has another account',
      waypoint('', ', annotations: {gateway.istio.io/service-account: runner}'),
      {},
      'Deployment',
      { metadata: { name: 'waypoint' }, spec: { template: { spec: { serviceAccountName: 'runner' } } } },
    ],
    [
      'has a service of another type',
      waypoint(', addresses: [{value: 10.0.0.9}]', ', annotations: {networking.istio.io/service-type: LoadBalancer}'),
      {},
      'Service',
      { spec: { type: 'LoadBalancer', loadBalancerIP: '10.0.0.9' } },
    ],
    [
      'names the revision that its Gateway is for',
      waypoint('', ', labels: {istio.io/rev: canary}'),
      {},
      'Deployment',
      { spec: { template: { metadata: { annotations: { 'istio.io/rev': 'canary' } } } } },
    ],
    [
      'has no port for a listener that was refused',
      waypoint('', '', `{name: web, port: 80, protocol: HTTP}, ${HBONE}`),
      {},
      'Service',
      { spec: { ports: [{ port: 15_021 }, { name: 'mesh', port: 15_008 }] } },
    ],
    [
      'is patched by its parameters',
      waypoint(PARAMETERS),
      { own: mapOf({ deployment: 'spec: {template: {spec: {containers: [{name: istio-proxy, image: mine}]}}}' }) },
      'Deployment',
      { spec: { template: { spec: { containers: [{ name: 'istio-proxy', image: 'mine' }] } } } },
    ],
    [
      'is patched by the oldest defaults of its class, and then by its own parameters',
      waypoint(PARAMETERS),
      {
        own: mapOf({ deployment: 'spec: {replicas: 3}' }),
        defaults: [
          mapOf({ deployment: 'spec: {replicas: 9, minReadySeconds: 9}' }, '2026-02-02T00:00:00Z', 'a'),
          mapOf({ deployment: 'spec: {replicas: 2, minReadySeconds: 5}' }, '2026-01-01T00:00:00Z', 'b'),
        ],
      },
      'Deployment',
      { spec: { replicas: 3, minReadySeconds: 5 } },
    ],
    [
      'has an autoscaler when its parameters speak of one',
      waypoint(PARAMETERS),
      { own: mapOf({ horizontalPodAutoscaler: 'spec: {maxReplicas: 4}' }) },
      'HorizontalPodAutoscaler',
      {
        apiVersion: 'autoscaling/v2',
        spec: { maxReplicas: 4, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'waypoint' } },
      },
    ],
    [
      'has a budget when its parameters speak of one, even with nothing to say',
      waypoint(PARAMETERS),
      { own: mapOf({ podDisruptionBudget: '' }) },
      'PodDisruptionBudget',
      {
        metadata: { ownerReferences },
        spec: { selector: { matchLabels: { 'gateway.networking.k8s.io/gateway-name': 'waypoint' } } },
      },
    ],
  ]
  it.each(rows)('%s', (_, gateway, around, kind, document) => {
    expect(made(gateway, around)[kind]).toMatchObject(document)
  })
})

describe('a Gateway', () => {
  const refused: readonly [shows: string, gateway: Gateway, around: Around, reason: string, problem: string][] = [
    [
      'without a listener for tunnels',
      waypoint('', '', '{name: web, port: 80, protocol: HTTP}'),
      {},
      'ListenersNotValid',
      'no listener has protocol HBONE and port 15008',
    ],
    [
      'whose listener for tunnels has another port',
      waypoint('', '', '{name: mesh, port: 15009, protocol: HBONE}'),
      {},
      'ListenersNotValid',
      'no listener has protocol HBONE and port 15008',
    ],
    [
      'whose parameters are not there',
      waypoint(PARAMETERS),
      {},
      'InvalidParameters',
      'spec.infrastructure.parametersRef: there is no ConfigMap shop/params',
    ],
    [
      'whose parameters are no ConfigMap',
      waypoint(', infrastructure: {parametersRef: {group: apps, kind: Deployment, name: x}}'),
      {},
      'InvalidParameters',
      'spec.infrastructure.parametersRef: must be a ConfigMap, is a Deployment.apps',
    ],
    [
      'whose parameters have an unknown key',
      waypoint(PARAMETERS),
      { own: mapOf({ deployement: '' }) },
      'InvalidParameters',
      'ConfigMap shop/params: data.deployement: unknown key; there are serviceAccount, deployment, service, horizontalPodAutoscaler, podDisruptionBudget',
    ],
    [
      'whose parameters are no YAML',
      waypoint(PARAMETERS),
      { own: mapOf({ service: 'a: [' }) },
      'InvalidParameters',
      'ConfigMap shop/params: data.service: is no YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    [
      'whose parameters are no map',
      waypoint(PARAMETERS),
      { own: mapOf({ service: '- a' }) },
      'InvalidParameters',
      'ConfigMap shop/params: data.service: is no map',
    ],
    [
      'whose parameters rename an object',
      waypoint(PARAMETERS),
      { own: mapOf({ service: 'metadata: {name: other}' }) },
      'InvalidParameters',
      'parameters: service: name: cannot be changed',
    ],
    [
      'whose parameters take its objects from it',
      waypoint(PARAMETERS),
      { own: mapOf({ deployment: 'metadata: {ownerReferences: null}' }) },
      'InvalidParameters',
      'parameters: deployment: ownerReferences: cannot be changed',
    ],
    [
      'whose parameters take its mark off an object',
      waypoint(PARAMETERS),
      { own: mapOf({ deployment: 'metadata: {labels: {gateway.istio.io/managed: me}}' }) },
      'InvalidParameters',
      'parameters: deployment: gateway.istio.io/managed: cannot be changed',
    ],
    [
      'whose service has a type that is none',
      waypoint('', ', annotations: {networking.istio.io/service-type: ExternalName}'),
      {},
      'InvalidParameters',
      'annotation networking.istio.io/service-type: is none of ClusterIP, NodePort, LoadBalancer',
    ],
  ]
  it.each(refused)('%s is refused', (_, gateway, around, reason, problem) => {
    expect(decide(gateway, around)).toEqual({ kind: 'refused', reason, problem })
  })

  it('with a listener that is for nothing names that one, and has the other served', () => {
    const found = plan(waypoint('', '', `${HBONE}, {name: web, port: 80, protocol: HTTP}`))
    expect(found?.decision.kind).toBe('managed')
    expect(found?.listeners).toEqual([
      { name: 'mesh', port: 15_008, verdict: { kind: 'accepted' } },
      {
        name: 'web',
        port: 80,
        verdict: {
          kind: 'refused',
          reason: 'UnsupportedProtocol',
          problem: 'a waypoint listens with protocol HBONE on port 15008 only, not with HTTP on 80',
        },
      },
    ])
  })

  const others: readonly [shows: string, gateway: Gateway, around: Around, decision: GatewayDecision | undefined][] = [
    ['of an unknown class is left alone', waypoint('', '', HBONE, 'istio'), {}, undefined],
    [
      'of a class that another controller has taken the name of is left alone',
      waypoint(),
      { gatewayClass: classOf('istio-waypoint', 'example.com/other') },
      undefined,
    ],
    ['of another network is only told', waypoint('', '', HBONE, 'istio-remote'), {}, { kind: 'remote' }],
    [
      'that a newer controller has taken over is left to it',
      waypoint('', ', annotations: {gateway.istio.io/controller-version: "6"}'),
      {},
      { kind: 'left', version: '6' },
    ],
    [
      'that names its service has none made',
      waypoint(', addresses: [{type: Hostname, value: edge.infra.svc.cluster.local}]'),
      {},
      { kind: 'unmanaged', services: ['infra/edge'] },
    ],
    [
      'that names a service of its namespace by one word has none made',
      waypoint(', addresses: [{type: Hostname, value: edge}]'),
      {},
      { kind: 'unmanaged', services: ['shop/edge'] },
    ],
    [
      'that names something else has none made, either',
      waypoint(', addresses: [{type: Hostname, value: edge.example.com}]'),
      {},
      { kind: 'unmanaged', services: [] },
    ],
    [
      'with several addresses has none made',
      waypoint(', addresses: [{value: 10.0.0.1}, {value: 10.0.0.2}]'),
      {},
      { kind: 'unmanaged', services: [] },
    ],
  ]
  it.each(others)('%s', (_, gateway, around, decision) => {
    expect(decide(gateway, around)).toEqual(decision)
  })

  it('of a class of another name is served when its controller is ours', () => {
    const gatewayClass = classOf('mine', 'ambit.dev/mesh-controller')
    expect(decide(waypoint('', '', HBONE, 'mine'), { gatewayClass })?.kind).toBe('managed')
  })
})

function classOf(name: string, controllerName: string): GatewayClass {
  const text = `apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: ${name}}\nspec: {controllerName: ${controllerName}}\n`
  return readObjects(text, 'test').objects[0] as GatewayClass
}
