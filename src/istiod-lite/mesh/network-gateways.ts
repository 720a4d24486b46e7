import type { Gateway } from '#shared/k8s'
import type { GatewayAddress, Workload } from '#shared/model'
import { type IpAddress, parseIp } from '#shared/net'
import type { MeshSettings } from './settings.ts'

/** One address through which another network is reached. */
export interface NetworkGateway {
  readonly network: string
  readonly namespace: string
  readonly serviceAccount: string
  /** As the Gateway says it: an address, or a host name. */
  readonly host: string
  readonly ip: IpAddress | undefined
  readonly hbonePort: number
}

/** Gateways of this class are made elsewhere; this cluster only says where they are. */
export const REMOTE_CLASS = 'istio-remote'
export const NETWORK_LABEL = 'topology.istio.io/network'
const SERVICE_ACCOUNT = 'gateway.istio.io/service-account'

/**
 * The ways to another network that a Gateway of this cluster tells of; none for any other Gateway.
 *
 * @see istio-control-plane g
 */
export function networkGatewaysOf({ metadata, spec, status }: Gateway): readonly NetworkGateway[] {
  const network = metadata.labels[NETWORK_LABEL]
  const listener = spec.listeners.find(({ protocol }) => protocol === 'HBONE')
  if (spec.gatewayClassName !== REMOTE_CLASS || network === undefined || listener === undefined) return []
  return status.addresses.flatMap(({ type, value }): readonly NetworkGateway[] => {
    const ip = parseIp(value)
    if (type === 'IPAddress' ? ip === undefined : type !== 'Hostname' || value === '') return []
    return [
      {
        network,
        namespace: metadata.namespace,
        serviceAccount: metadata.annotations[SERVICE_ACCOUNT] ?? `${metadata.name}-${REMOTE_CLASS}`,
        host: ip ?? value,
        ip,
        hbonePort: listener.port,
      },
    ]
  })
}

export function networkGatewayUid({ network, host, hbonePort }: NetworkGateway): string {
  return `NetworkGateway/${network}/${host}/${hbonePort}`
}

/** How workloads of its network name it. */
export function networkGatewayAddress({ network, namespace, host, ip, hbonePort }: NetworkGateway): GatewayAddress {
  const destination =
    ip === undefined
      ? ({ kind: 'hostname', namespace, hostname: host } as const)
      : ({ kind: 'address', network, ip } as const)
  return { destination, hboneMtlsPort: hbonePort }
}

/** The gateway itself, so that a tunnel finds whom it has to expect there. */
export function networkGatewayWorkload(gateway: NetworkGateway, settings: MeshSettings): Workload {
  const uid = networkGatewayUid(gateway)
  return {
    uid,
    name: uid,
    namespace: gateway.namespace,
    addresses: gateway.ip === undefined ? [] : [gateway.ip],
    hostname: gateway.ip === undefined ? gateway.host : '',
    network: gateway.network,
    protocol: 'TCP',
    trustDomain: settings.trustDomain,
    serviceAccount: gateway.serviceAccount,
    waypoint: undefined,
    networkGateway: undefined,
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'pod',
    workloadName: '',
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: new Map(),
    authorizationPolicies: [],
    status: 'Healthy',
    // Of which cluster it is nobody says.
    clusterId: '',
    locality: { region: '', zone: '', subzone: '' },
    networkMode: 'Standard',
    capacity: 1,
  }
}
