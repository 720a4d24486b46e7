import type { Cidr } from '#shared/net'
import type { GatewayAddress, NetworkAddress, PortMapping } from './workload.ts'

/** `istio.workload.Service` as a plain record (workload.proto). Its key is `<namespace>/<hostname>`. */
export interface Service {
  readonly name: string
  readonly namespace: string
  readonly hostname: string
  readonly vips: readonly NetworkAddress[]
  readonly cidrVips: readonly { readonly network: string; readonly cidr: Cidr }[]
  readonly ports: readonly ServicePort[]
  /** Extra accepted server identities; only the SPIFFE ones are kept. */
  readonly subjectAltNames: readonly string[]
  readonly waypoint: GatewayAddress | undefined
  readonly weightedWaypoints: readonly { readonly destination: GatewayAddress; readonly weight: number }[]
  readonly loadBalancer: LoadBalancer | undefined
  readonly ipFamilies: 'IPv4' | 'IPv6' | 'Dual' | undefined
  readonly canonical: boolean
  readonly ingressUseWaypoint: boolean
  readonly visibility: 'Public' | 'Namespace'
}

export interface ServicePort extends PortMapping {
  /** What is spoken on it, as declared; undefined = unknown. The tunnel does not care, a waypoint does. */
  readonly appProtocol?: AppProtocol
}

export type AppProtocol = 'HTTP11' | 'HTTP2' | 'GRPC' | 'TCP' | 'TLS'

export type LoadBalancingScope = 'Region' | 'Zone' | 'Subzone' | 'Node' | 'Cluster' | 'Network'

export interface LoadBalancer {
  readonly routingPreferences: readonly LoadBalancingScope[]
  readonly mode: 'Standard' | 'Strict' | 'Failover' | 'Passthrough'
  readonly healthPolicy: 'OnlyHealthy' | 'AllowAll'
}

export function serviceKey(service: Pick<Service, 'namespace' | 'hostname'>): string {
  return `${service.namespace}/${service.hostname}`
}
