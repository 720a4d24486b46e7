import { namespace, pod, service, serviceEntry, workloadEntry } from './case-objects.ts'
import type { Cases } from './cases.ts'

const ports = [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }]
const waypoint = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'waypoint', namespace: 'shop' },
  spec: { gatewayClassName: 'foreign', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  status: { addresses: [{ type: 'IPAddress', value: '10.96.0.9' }] },
}
const useWaypoint = { 'istio.io/use-waypoint': 'waypoint' }

/** ServiceEntries, WorkloadEntries and waypoints. */
export const entryCases: Cases = {
  'an entry with endpoints': [
    serviceEntry('ext', {
      hosts: ['ext.example'],
      addresses: ['192.0.2.1'],
      ports,
      resolution: 'STATIC',
      endpoints: [{ address: '198.51.100.1' }],
    }),
  ],
  'an entry that is looked up': [
    serviceEntry('ext', { hosts: ['ext.example'], addresses: ['192.0.2.1'], ports, resolution: 'DNS' }),
  ],
  'an entry that lets through': [
    serviceEntry('ext', { hosts: ['ext.example'], addresses: ['192.0.2.0/24'], ports, resolution: 'NONE' }),
  ],
  'an entry that selects pods': [
    serviceEntry('ext', {
      hosts: ['ext.example'],
      addresses: ['192.0.2.1'],
      ports,
      location: 'MESH_INTERNAL',
      resolution: 'STATIC',
      workloadSelector: { labels: { app: 'web' } },
    }),
    pod('web-1', '10.0.1.1'),
  ],
  'a workload entry alone': [
    workloadEntry('vm', { address: '198.51.100.2', labels: { app: 'vm' }, serviceAccount: 'vm' }),
  ],
  'a workload entry of a service': [
    service('web'),
    workloadEntry('vm', { address: '198.51.100.2', labels: { app: 'web' }, weight: 3, locality: 'eu/eu-1/rack-7' }),
  ],
  'a waypoint of a service': [waypoint, service('web', {}, { labels: useWaypoint })],
  'a waypoint of a namespace': [namespace('shop', useWaypoint), waypoint, service('web'), pod('web-1', '10.0.1.1')],
  'a waypoint that is not there': [service('web', {}, { labels: useWaypoint })],
}
