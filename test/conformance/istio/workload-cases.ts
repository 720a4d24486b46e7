import { namespace, node, pod, service } from './case-objects.ts'
import type { Cases } from './cases.ts'

const owner = (kind: string, name: string): Readonly<Record<string, unknown>> => ({
  generateName: 'web-',
  ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'u', controller: true }],
})

export const workloadCases: Cases = {
  'a captured pod': [pod('web-1', '10.0.1.1')],
  'a pod that no node agent has captured': [pod('web-1', '10.0.1.1', { annotations: {} })],
  'a pod with another word for redirection': [
    pod('web-1', '10.0.1.1', { annotations: { 'ambient.istio.io/redirection': 'disabled' } }),
  ],
  'a pod that is redirected, of a namespace that is not enrolled': [
    namespace('plain'),
    pod('web-1', '10.0.1.1', { namespace: 'plain' }),
  ],
  'a pod that speaks HBONE itself': [
    pod('web-1', '10.0.1.1', { annotations: {}, labels: { 'networking.istio.io/tunnel': 'http' } }),
  ],
  'a captured pod that speaks HBONE itself': [
    pod('web-1', '10.0.1.1', { labels: { 'networking.istio.io/tunnel': 'http' } }),
  ],
  'a pod with a sidecar': [
    pod('web-1', '10.0.1.1', { annotations: { 'sidecar.istio.io/status': '{}' }, labels: { app: 'web' } }),
  ],
  'a pod on the network of its node': [
    pod('web-1', '10.0.1.1', { annotations: {}, spec: { hostNetwork: true, containers: [{ name: 'c', image: 'i' }] } }),
  ],
  'a captured pod with two addresses': [pod('web-1', '10.0.1.1', { ips: ['10.0.1.1', 'fd00::1:1'] })],
  'a pod with an IPv6 address only': [pod('web-1', 'fd00::1:1')],
  'a pod that starts and has an address': [pod('web-1', '10.0.1.1', { phase: 'Pending', ready: 'False' })],
  'a pod that has no address yet': [pod('web-1', '', { phase: 'Pending', ready: 'False' }), pod('web-2', '10.0.1.2')],
  'a pod that is not ready': [pod('web-1', '10.0.1.1', { ready: 'False' })],
  'a pod that has failed, one that has succeeded': [
    pod('web-1', '10.0.1.1', { phase: 'Failed', ready: 'False' }),
    pod('web-2', '10.0.1.2', { phase: 'Succeeded', ready: 'False' }),
  ],
  'a pod of unknown phase': [pod('web-1', '10.0.1.1', { phase: 'Unknown' })],
  'a ready pod that is being deleted': [pod('web-1', '10.0.1.1', { deletionTimestamp: '2026-01-01T00:00:00Z' })],
  'a pod without a label': [pod('web-1', '10.0.1.1', { labels: {} })],
  'names by recommended labels': [
    pod('web-1', '10.0.1.1', {
      labels: { 'app.kubernetes.io/name': 'n', 'app.kubernetes.io/version': 'v2', app: 'a' },
    }),
  ],
  'names by short labels': [pod('web-1', '10.0.1.1', { labels: { app: 'a', version: 'v3' } })],
  'names by Istio’s own labels': [
    pod('web-1', '10.0.1.1', {
      labels: {
        'service.istio.io/canonical-name': 'c',
        'service.istio.io/canonical-revision': 'r',
        'service.istio.io/workload-name': 'w',
        app: 'a',
      },
    }),
  ],
  'a pod of a Deployment': [
    pod('web-1', '10.0.1.1', { ...owner('ReplicaSet', 'web-7c4'), labels: { 'pod-template-hash': '7c4' } }),
  ],
  'a pod of a ReplicaSet that no Deployment made': [pod('web-1', '10.0.1.1', owner('ReplicaSet', 'web-7c4'))],
  'a pod of a DaemonSet': [pod('web-1', '10.0.1.1', owner('DaemonSet', 'agent'))],
  'a pod of a StatefulSet, which has no generated name': [
    pod('web-1', '10.0.1.1', { ...owner('StatefulSet', 'db'), generateName: '' }),
  ],
  'a pod of a Job': [pod('web-1', '10.0.1.1', owner('Job', 'sums'))],
  'a pod of a CronJob': [pod('web-1', '10.0.1.1', owner('Job', 'sums-28123456'))],
  'a pod of a Job whose name ends in few digits': [pod('web-1', '10.0.1.1', owner('Job', 'sums-1234567'))],
  'a pod of a Job whose name ends in many digits': [pod('web-1', '10.0.1.1', owner('Job', 'sums-12345678901'))],
  'a pod of a foreign controller': [pod('web-1', '10.0.1.1', owner('CloneSet', 'web-x'))],
  'the place of a node': [
    node('node-a', {
      'topology.kubernetes.io/region': 'eu',
      'topology.kubernetes.io/zone': 'eu-1',
      'topology.istio.io/subzone': 'rack-7',
    }),
    pod('web-1', '10.0.1.1'),
  ],
  'the place of a node that says the zone only': [
    node('node-a', { 'topology.kubernetes.io/zone': 'eu-1' }),
    pod('web-1', '10.0.1.1'),
  ],
  'old labels of a node’s place': [
    node('node-a', { 'failure-domain.beta.kubernetes.io/zone': 'eu-1' }),
    pod('web-1', '10.0.1.1'),
  ],
  'a locality label of a pod': [
    node('node-a', { 'topology.kubernetes.io/region': 'eu' }),
    pod('web-1', '10.0.1.1', { labels: { 'istio-locality': 'us.us-1.rack-1' } }),
  ],
  'a pod without a node': [pod('web-1', '10.0.1.1', { spec: { nodeName: undefined } })],
  'the network of the cluster': [
    namespace('istio-system', { 'topology.istio.io/network': 'net-1' }),
    pod('web-1', '10.0.1.1'),
    service('web'),
  ],
  'a network label of a pod': [pod('web-1', '10.0.1.1', { labels: { 'topology.istio.io/network': 'net-2' } })],
  'two pods with one address': [
    pod('web-1', '10.0.1.1', { phase: 'Failed', ready: 'False' }),
    pod('web-2', '10.0.1.1'),
  ],
}
