import type { ApplicationTunnel, TunnelProtocol, Workload, WorkloadType } from '#shared/model'
import { ipToBytes } from '#shared/net'
import type { WorkloadMessage } from './messages.ts'
import type { Written } from './schema.ts'
import {
  encodeGatewayAddress,
  encodePorts,
  enumName,
  gatewayAddress,
  invalid,
  ipOf,
  port,
  portMappings,
  withoutZeros,
} from './wire-fields.ts'

/** Numbers of the enums of workload.proto are places in these lists. LEGACY_ISTIO_MTLS, 2, is not spoken. */
const protocols: readonly TunnelProtocol[] = ['TCP', 'HBONE']
const workloadTypes: readonly WorkloadType[] = ['deployment', 'cronjob', 'pod', 'job']
const statuses: readonly Workload['status'][] = ['Healthy', 'Unhealthy']
const networkModes: readonly Workload['networkMode'][] = ['Standard', 'HostNetwork']
const tunnelProtocols: readonly ApplicationTunnel['protocol'][] = ['NONE', 'PROXY']

const DEFAULT_TRUST_DOMAIN = 'cluster.local'
const DEFAULT_SERVICE_ACCOUNT = 'default'
const DEFAULT_CLUSTER = 'Kubernetes'

/**
 * A workload with the defaults and rejections of hbone-and-ztunnel b.2.
 *
 * @throws MeshError `RESOURCE_INVALID`
 */
export function decodeWorkload(message: WorkloadMessage): Workload {
  const { applicationTunnel: tunnel, locality } = message
  return {
    uid: message.uid,
    name: message.name,
    namespace: message.namespace,
    addresses: message.addresses.map(ipOf),
    hostname: message.hostname,
    network: message.network,
    protocol: enumName(protocols, 'tunnel_protocol', message.tunnelProtocol),
    trustDomain: message.trustDomain || DEFAULT_TRUST_DOMAIN,
    serviceAccount: message.serviceAccount || DEFAULT_SERVICE_ACCOUNT,
    waypoint: gatewayAddress(message.waypoint),
    networkGateway: gatewayAddress(message.networkGateway),
    node: message.node,
    canonicalName: message.canonicalName,
    canonicalRevision: message.canonicalRevision,
    workloadType: workloadTypes[message.workloadType] ?? 'deployment',
    workloadName: message.workloadName,
    nativeTunnel: message.nativeTunnel,
    applicationTunnel:
      tunnel === null
        ? undefined
        : { protocol: enumName(tunnelProtocols, 'application_tunnel', tunnel.protocol), port: port(tunnel.port) },
    services: servicesOf(message),
    authorizationPolicies: message.authorizationPolicies,
    status: enumName(statuses, 'status', message.status),
    clusterId: message.clusterId || DEFAULT_CLUSTER,
    locality: locality ?? { region: '', zone: '', subzone: '' },
    networkMode: enumName(networkModes, 'network_mode', message.networkMode),
    capacity: message.capacity?.value ?? 1,
  }
}

export function encodeWorkload(workload: Workload): Written<WorkloadMessage> {
  const { region, zone, subzone } = workload.locality
  return withoutZeros({
    uid: workload.uid,
    name: workload.name,
    namespace: workload.namespace,
    addresses: workload.addresses.map(ipToBytes),
    hostname: workload.hostname,
    network: workload.network,
    tunnelProtocol: protocols.indexOf(workload.protocol),
    // The defaults are left out: that is how istiod writes them, and it keeps messages small.
    trustDomain: workload.trustDomain === DEFAULT_TRUST_DOMAIN ? '' : workload.trustDomain,
    serviceAccount: workload.serviceAccount === DEFAULT_SERVICE_ACCOUNT ? '' : workload.serviceAccount,
    clusterId: workload.clusterId,
    waypoint: encodeGatewayAddress(workload.waypoint),
    networkGateway: encodeGatewayAddress(workload.networkGateway),
    node: workload.node,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    workloadType: workloadTypes.indexOf(workload.workloadType),
    workloadName: workload.workloadName,
    nativeTunnel: workload.nativeTunnel,
    applicationTunnel:
      workload.applicationTunnel === undefined
        ? null
        : {
            protocol: tunnelProtocols.indexOf(workload.applicationTunnel.protocol),
            port: workload.applicationTunnel.port,
          },
    services: Object.fromEntries([...workload.services].map(([key, ports]) => [key, { ports: encodePorts(ports) }])),
    authorizationPolicies: workload.authorizationPolicies,
    status: statuses.indexOf(workload.status),
    locality: region || zone || subzone ? workload.locality : null,
    networkMode: networkModes.indexOf(workload.networkMode),
    capacity: workload.capacity === 1 ? null : { value: workload.capacity },
  })
}

function servicesOf({ services }: WorkloadMessage): Workload['services'] {
  const entries = Object.entries(services)
  for (const [key] of entries)
    if (!key.includes('/')) throw invalid(`service key ${JSON.stringify(key.slice(0, 256))} is not namespace/hostname`)
  return new Map(entries.map(([key, list]) => [key, portMappings(list.ports)]))
}
