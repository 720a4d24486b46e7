import type { IpAddress } from '#shared/net'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/** `istio.workload.Workload` as a plain record with the defaults of hbone-and-ztunnel b.2 applied (workload.proto). */
export interface Workload {
  /** Primary key, `<cluster>/<group>/<kind>/<namespace>/<name>[/<section>]`. */
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly addresses: readonly IpAddress[]
  /** Resolved by DNS when there is no address; empty when unset. */
  readonly hostname: string
  readonly network: string
  readonly protocol: TunnelProtocol
  readonly trustDomain: string
  readonly serviceAccount: string
  readonly waypoint: GatewayAddress | undefined
  readonly networkGateway: GatewayAddress | undefined
  readonly node: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly workloadType: WorkloadType
  readonly workloadName: string
  readonly nativeTunnel: boolean
  readonly applicationTunnel: ApplicationTunnel | undefined
  /** Key `<namespace>/<hostname>`: the services of which this workload is an endpoint, with their port mapping. */
  readonly services: ReadonlyMap<string, readonly PortMapping[]>
  /** `<namespace>/<name>` of the selector policies that apply. */
  readonly authorizationPolicies: readonly string[]
  readonly status: 'Healthy' | 'Unhealthy'
  readonly clusterId: string
  readonly locality: Locality
  readonly networkMode: 'Standard' | 'HostNetwork'
  /** Load-balancing weight; 0 is never picked. */
  readonly capacity: number
}

/** How a workload is reached: plain TCP, or HBONE on port 15008. */
export type TunnelProtocol = 'TCP' | 'HBONE'
export type WorkloadType = 'deployment' | 'cronjob' | 'pod' | 'job'

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

export interface ApplicationTunnel {
  readonly protocol: 'NONE' | 'PROXY'
  /** 0 = unset. */
  readonly port: number
}

/** A service port and where it leads; `targetPort` 0 = a named port that the endpoint must say. */
export interface PortMapping {
  readonly servicePort: number
  readonly targetPort: number
}

export interface NetworkAddress {
  readonly network: string
  readonly ip: IpAddress
}

export type GatewayDestination =
  | { readonly kind: 'hostname'; readonly namespace: string; readonly hostname: string }
  | { readonly kind: 'address'; readonly network: string; readonly ip: IpAddress }

/** A waypoint or network gateway. */
export interface GatewayAddress {
  readonly destination: GatewayDestination
  readonly hboneMtlsPort: number
}

/**
 * The identity that a workload proves by mTLS; undefined when its trust domain or service account is missing or
 * holds a slash (a local state file may leave them out), so that nothing can be proved to or by it.
 */
export function workloadIdentity(
  workload: Pick<Workload, 'trustDomain' | 'namespace' | 'serviceAccount'>,
): SpiffeId | undefined {
  const known = identities.get(workload)
  if (known !== undefined) return known
  const id = parseSpiffeId(`spiffe://${workload.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`)
  if (id !== undefined) identities.set(workload, id)
  return id
}

/** Asked for several times with each connection, and the same as long as the record. */
const identities = new WeakMap<object, SpiffeId>()
