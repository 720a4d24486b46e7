import { describe, expect, it } from 'vitest'
import type { EndpointSlice, KubeObject, Namespace, Pod, Service, ServiceAccount } from '#shared/k8s'
import { isEnrolled, type LivePod, liveObjects } from '../../../../src/local/runtime/live-objects.ts'
import { proxiedPorts } from '../../../../src/local/runtime/proxied-ports.ts'
import { objectsOf } from '../objects/samples.ts'

const [namespace, account, service, pod] = objectsOf(`
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web, namespace: shop }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }, { name: dns, port: 53, protocol: UDP }] }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { serviceAccountName: web, containers: [{ name: c, command: [x] }] }`) as unknown as readonly [
  Namespace,
  ServiceAccount,
  Service,
  Pod,
]

const live: LivePod = {
  pod,
  uid: 'uid-1',
  node: 'node-a',
  ips: ['10.244.1.2', 'fd00::2'],
  isRunning: true,
  isReady: true,
  createdAt: '2026-01-01T00:00:00Z',
  deletedAt: undefined,
}

function made(pods: readonly LivePod[]): readonly KubeObject[] {
  return liveObjects({
    families: [4, 6],
    nodes: ['node-a'],
    systemPods: [
      {
        namespace: 'istio-system',
        name: 'ztunnel-node-a',
        uid: 'z',
        serviceAccount: 'ztunnel',
        node: 'node-a',
        ips: ['10.243.0.2'],
      },
    ],
    namespaces: [namespace],
    serviceAccounts: [account],
    pods,
    services: [{ service, ips: ['10.96.1.0', 'fd00:10:96::100'] }],
    others: [],
  })
}
const find = <T extends KubeObject>(objects: readonly KubeObject[], kind: string, name: string): T =>
  objects.find((each) => each.kind === kind && each.metadata.name === name) as T

describe('the live objects', () => {
  it('are what users wrote with the place, addresses and state filled in', () => {
    const found = find<Pod>(made([live]), 'Pod', 'web')
    expect(found.metadata).toMatchObject({
      uid: 'uid-1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'web' },
    })
    expect([found.spec.nodeName, found.status.phase, found.status.podIPs]).toEqual([
      'node-a',
      'Running',
      ['10.244.1.2', 'fd00::2'],
    ])
    expect(found.status.conditions.at(-1)).toEqual({ type: 'Ready', status: 'True' })
    expect(find<Service>(made([live]), 'Service', 'web').spec.clusterIPs).toEqual(['10.96.1.0', 'fd00:10:96::100'])
  })

  it('show the tunnels as pods of their account, for the CA to see who runs where', () => {
    const objects = made([])
    expect(find<Pod>(objects, 'Pod', 'ztunnel-node-a').spec).toMatchObject({
      nodeName: 'node-a',
      serviceAccountName: 'ztunnel',
    })
    expect(find(objects, 'ServiceAccount', 'ztunnel')?.metadata.namespace).toBe('istio-system')
  })

  it('have a default account in every namespace, and the namespaces that are always there', () => {
    const objects = made([])
    const accounts = objects.filter(({ kind, metadata }) => kind === 'ServiceAccount' && metadata.name === 'default')
    expect(accounts.map(({ metadata }) => metadata.namespace).sort()).toEqual(['default', 'istio-system', 'shop'])
  })

  it.each([
    ['a ready pod', live, [true]],
    ['a pod that is not ready', { ...live, isReady: false }, [false]],
    ['a pod on its way out', { ...live, deletedAt: '2026-01-01T00:00:01Z' }, [false]],
    ['a pod without an address yet', { ...live, ips: [] }, []],
  ])('have for %s the endpoints', (_what, each, ready) => {
    const slice = find<EndpointSlice>(made([each]), 'EndpointSlice', 'web-v4')
    expect((slice?.endpoints ?? []).map((endpoint) => endpoint.ready)).toEqual(ready)
  })

  it('lead each service address to ready endpoints of its own family', () => {
    expect(proxiedPorts(made([live]))).toEqual([
      proxied('tcp', '10.96.1.0', 80, [{ ip: '10.244.1.2', port: 8080 }]),
      proxied('udp', '10.96.1.0', 53, [{ ip: '10.244.1.2', port: 53 }]),
      proxied('tcp', 'fd00:10:96::100', 80, [{ ip: 'fd00::2', port: 8080 }]),
      proxied('udp', 'fd00:10:96::100', 53, [{ ip: 'fd00::2', port: 53 }]),
    ])
    expect(proxiedPorts(made([{ ...live, isReady: false }])).flatMap(({ endpoints }) => endpoints)).toEqual([])
  })
})

describe('enrolment', () => {
  it('follows the labels of namespace and pod', () => {
    const bare: Namespace = { ...namespace, metadata: { ...namespace.metadata, labels: {} } }
    const out: Pod = { ...pod, metadata: { ...pod.metadata, labels: { 'istio.io/dataplane-mode': 'none' } } }
    expect([
      isEnrolled(pod, [namespace]),
      isEnrolled(pod, [bare]),
      isEnrolled(out, [namespace]),
      isEnrolled(pod, []),
    ]).toEqual([true, false, false, false])
  })
})

function proxied(protocol: string, ip: string, port: number, endpoints: readonly object[]): object {
  return { service: 'shop/web', protocol, address: { ip, port }, endpoints }
}
