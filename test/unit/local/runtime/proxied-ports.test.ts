import { expect, it } from 'vitest'
import { type EndpointSlice, type Namespace, type Pod, readObjects, type Service } from '#shared/k8s'
import { isEnrolled } from '../../../../src/local/runtime/enrolment.ts'
import { proxiedPorts } from '../../../../src/local/runtime/proxied-ports.ts'

const [namespace, pod, service, ready, other] = readObjects(
  `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { containers: [{ name: c, command: [x] }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIPs: [10.96.1.0, "fd00:10:96::100"]
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: dns, port: 53, protocol: UDP }, { name: x, port: 9, protocol: SCTP }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-a, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }, { name: dns, port: 53, protocol: UDP }]
endpoints:
  - { addresses: [10.244.1.2], conditions: { ready: true } }
  - { addresses: [10.244.1.3], conditions: { ready: false } }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-a, namespace: elsewhere, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.244.9.9], conditions: { ready: true } }]`,
  'test.yaml',
).objects as unknown as readonly [Namespace, Pod, Service, EndpointSlice, EndpointSlice]

it('each service address leads to ready endpoints of its own namespace, family and protocol', () => {
  const proxied = (protocol: 'tcp' | 'udp', ip: string, port: number, endpoints: readonly object[]): object => ({
    service: 'shop/web',
    protocol,
    address: { ip, port },
    endpoints,
  })
  expect(proxiedPorts([service], [ready, other])).toEqual([
    proxied('tcp', '10.96.1.0', 80, [{ ip: '10.244.1.2', port: 8080 }]),
    proxied('udp', '10.96.1.0', 53, [{ ip: '10.244.1.2', port: 53 }]),
    proxied('tcp', 'fd00:10:96::100', 80, []),
    proxied('udp', 'fd00:10:96::100', 53, []),
  ])
})

it('enrolment follows the labels of namespace and pod', () => {
  const bare: Namespace = { ...namespace, metadata: { ...namespace.metadata, labels: {} } }
  const out: Pod = { ...pod, metadata: { ...pod.metadata, labels: { 'istio.io/dataplane-mode': 'none' } } }
  expect([isEnrolled(pod, [namespace]), isEnrolled(pod, [bare]), isEnrolled(out, [namespace])]).toEqual([
    true,
    false,
    false,
  ])
})
