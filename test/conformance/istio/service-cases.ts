import { namespace, node, pod, service, slice } from './case-objects.ts'
import type { Cases } from './cases.ts'

const web = pod('web-1', '10.0.1.1')
const port = (name: string, number: number, rest: object = {}): object => ({ name, port: number, ...rest })
const toPod = (name: string, ip: string, more: object = {}): object => ({
  addresses: [ip],
  targetRef: { kind: 'Pod', name, namespace: 'shop' },
  ...more,
})

export const serviceCases: Cases = {
  'a service and its pod': [service('web'), web],
  'a service without pods': [service('web')],
  'a headless service': [service('web', { clusterIP: 'None' }), web],
  'a headless service without ports': [service('web', { clusterIP: 'None', ports: [] }), web],
  'a service of two families': [
    service('web', {
      clusterIPs: ['10.96.0.1', 'fd10:96::1'],
      ipFamilies: ['IPv4', 'IPv6'],
      ipFamilyPolicy: 'RequireDualStack',
    }),
    web,
  ],
  'ports that say their protocol by name': [
    service('web', {
      ports: [
        'http',
        'http2',
        'grpc',
        'tls',
        'https',
        'tcp',
        'http-admin',
        'grpc-web',
        'mysql',
        'redis',
        'mongo',
        'x',
      ].map((name, index) => port(name, 8000 + index)),
    }),
  ],
  'ports that say their protocol by appProtocol': [
    service('web', {
      ports: [
        'http',
        'kubernetes.io/h2c',
        'kubernetes.io/ws',
        'kubernetes.io/wss',
        'grpc-web',
        'HTTPS',
        'tcp',
        'other',
      ].map((appProtocol, index) => port(`p${index}`, 8000 + index, { appProtocol })),
    }),
  ],
  'an appProtocol beats the name': [service('web', { ports: [port('http', 80, { appProtocol: 'tcp' })] })],
  'ports on which servers speak first': [
    service('web', { ports: [25, 53, 3306, 27017].map((number) => port(`p${number}`, number)) }),
  ],
  'a UDP port': [service('web', { ports: [port('dns', 53, { protocol: 'UDP' }), port('dns-tcp', 53)] }), web],
  'a named target port': [service('web', { ports: [port('a', 80, { targetPort: 'http' })] }), web],
  'a named target port that the pod does not have': [
    service('web', { ports: [port('a', 80, { targetPort: 'nope' }), port('b', 81)] }),
    web,
  ],
  'only a named target port that the pod does not have': [
    service('web', { ports: [port('a', 80, { targetPort: 'nope' })] }),
    web,
  ],
  'a named target port of a native sidecar': [
    service('web', { ports: [port('a', 80, { targetPort: 'side' })] }),
    pod('web-1', '10.0.1.1', {
      spec: {
        initContainers: [
          { name: 's', image: 'i', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 9 }] },
        ],
      },
    }),
  ],
  'a service that publishes what is not ready': [
    service('web', { publishNotReadyAddresses: true }),
    pod('web-1', '10.0.1.1', { ready: 'False' }),
  ],
  'a service of the own node only': [service('web', { internalTrafficPolicy: 'Local' }), web],
  'a service of the own node that publishes what is not ready': [
    service('web', { internalTrafficPolicy: 'Local', publishNotReadyAddresses: true }),
  ],
  'traffic that stays close': [service('web', { trafficDistribution: 'PreferClose' }), web],
  'traffic that stays on the node': [service('web', { trafficDistribution: 'PreferSameNode' }), web],
  'traffic that stays in the zone': [service('web', { trafficDistribution: 'PreferSameZone' }), web],
  'traffic that stays close, by annotation': [
    service('web', {}, { annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose' } }),
  ],
  'traffic that stays close, by the namespace': [
    namespace('near', {}, { 'networking.istio.io/traffic-distribution': 'PreferSameNode' }),
    service('web', {}, { namespace: 'near' }),
  ],
  'traffic of any kind by annotation under a namespace that stays close': [
    namespace('near', {}, { 'networking.istio.io/traffic-distribution': 'PreferClose' }),
    service('web', {}, { namespace: 'near', annotations: { 'networking.istio.io/traffic-distribution': 'Any' } }),
  ],
  'traffic that stays close and publishes what is not ready': [
    service('web', { trafficDistribution: 'PreferClose', publishNotReadyAddresses: true }),
  ],
  'a service with sticky clients': [service('web', { sessionAffinity: 'ClientIP' })],
  'a service with ports on nodes': [service('web', { type: 'NodePort' }), web],
  'a service with a load balancer': [
    { ...service('web', { type: 'LoadBalancer' }), status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } },
    web,
  ],
  'a service with external addresses': [service('web', { externalIPs: ['192.0.2.8'] })],
  'a service that is a name': [service('web', { type: 'ExternalName', externalName: 'example.com', clusterIP: '' })],
  'two services of one pod': [service('web'), service('also', { clusterIP: '10.96.0.2' }), web],
  'a service that wants two labels': [
    service('web', { selector: { app: 'web', tier: 'a' } }),
    web,
    pod('web-2', '10.0.1.2', { labels: { app: 'web', tier: 'a' } }),
  ],
  'a service and a pod of another namespace': [
    namespace('other'),
    service('web'),
    pod('w', '10.0.2.1', { namespace: 'other' }),
  ],
  'a service that is exported to nobody': [
    service('web', {}, { annotations: { 'networking.istio.io/exportTo': '~' } }),
    web,
  ],
  'a service with a label for all clusters': [service('web', {}, { labels: { 'istio.io/global': 'true' } }), web],
  'a slice that names a pod, for a service without a selector': [
    service('web', { selector: undefined }),
    web,
    slice('web-abc', 'web', { endpoints: [toPod('web-1', '10.0.1.1')] }),
  ],
  'a slice that names a pod, and a port by name': [
    service('web', { selector: undefined, ports: [port('http', 80, { targetPort: 'http' })] }),
    web,
    slice('web-abc', 'web', { endpoints: [toPod('web-1', '10.0.1.1')] }),
  ],
  'a slice that names a pod, and another port': [
    service('web', { selector: undefined }),
    web,
    slice('web-abc', 'web', { ports: [port('else', 9090)], endpoints: [toPod('web-1', '10.0.1.1')] }),
  ],
  'a slice that names a pod, and one of two ports': [
    service('web', { selector: undefined, ports: [port('a', 80), port('b', 81)] }),
    web,
    slice('web-abc', 'web', { ports: [port('b', 9090)], endpoints: [toPod('web-1', '10.0.1.1')] }),
  ],
  'two slices that name a pod': [
    service('web', { selector: undefined, ports: [port('a', 80), port('b', 81)] }),
    web,
    slice('web-1', 'web', { ports: [port('a', 9090)], endpoints: [toPod('web-1', '10.0.1.1')] }),
    slice('web-2', 'web', { ports: [port('b', 9091)], endpoints: [toPod('web-1', '10.0.1.1')] }),
  ],
  'a slice with a port of no name': [
    service('web', { selector: undefined, ports: [{ port: 80, targetPort: 8080 }] }),
    web,
    slice('web-abc', 'web', { ports: [{ port: 9090 }], endpoints: [toPod('web-1', '10.0.1.1')] }),
  ],
  'a slice that names a pod that is not ready': [
    service('web', { selector: undefined }),
    web,
    slice('web-abc', 'web', { endpoints: [toPod('web-1', '10.0.1.1', { conditions: { ready: false } })] }),
  ],
  'a slice with an address': [
    service('web', { selector: undefined }),
    node('node-b', { 'topology.kubernetes.io/region': 'eu' }),
    slice('web-abc', 'web', { endpoints: [{ addresses: ['192.168.7.1'], nodeName: 'node-b', zone: 'eu-1' }] }),
  ],
  'a slice with addresses in every state': [
    service('web', { selector: undefined }),
    slice('web-abc', 'web', {
      endpoints: [
        { addresses: ['192.168.7.1'] },
        { addresses: ['192.168.7.2'], conditions: { ready: false } },
        { addresses: ['192.168.7.3'], conditions: { ready: true } },
        { addresses: ['192.168.7.4'], conditions: { ready: false, serving: true, terminating: true } },
      ],
    }),
  ],
  'a slice with IPv6 addresses': [
    service('web', { selector: undefined }),
    slice('web-abc', 'web', { addressType: 'IPv6', endpoints: [{ addresses: ['fd00::7:1'] }] }),
  ],
  'a slice with addresses for a service with a selector': [
    service('web'),
    web,
    slice('web-abc', 'web', { endpoints: [{ addresses: ['192.168.7.1'] }] }),
  ],
  'a slice of no service': [slice('web-abc', '', { endpoints: [{ addresses: ['192.168.7.1'] }] }), service('web')],
  'a slice of a service that is not there': [
    slice('web-abc', 'gone', { endpoints: [{ addresses: ['192.168.7.1'] }] }),
    service('web'),
  ],
  'a slice without ports': [
    service('web', { selector: undefined }),
    slice('web-abc', 'web', { ports: [], endpoints: [{ addresses: ['192.168.7.1'] }] }),
  ],
  'a slice of a headless service': [
    service('web', { selector: undefined, clusterIP: 'None' }),
    slice('web-abc', 'web', { endpoints: [{ addresses: ['192.168.7.1'] }] }),
  ],
}
