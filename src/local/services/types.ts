import type { IpAddress } from '#shared/net'
import type { ApiObject } from '../apiserver/index.ts'

export type Protocol = 'TCP' | 'UDP' | 'SCTP'

export interface ServicePort {
  /** Empty when the only one has no name. */
  readonly name: string
  readonly port: number
  readonly protocol: Protocol
  /** 0 = it has none. */
  readonly nodePort: number
}

/** A Service of the API, as names, addresses and ports need it. */
export interface ServiceRecord {
  /** `namespace/name`. */
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** Empty for a headless service and an external name. */
  readonly clusterIps: readonly IpAddress[]
  /** Empty unless the type says so. */
  readonly externalName: string
  readonly ports: readonly ServicePort[]
  readonly internalTrafficPolicy: 'Cluster' | 'Local'
  readonly externalTrafficPolicy: 'Cluster' | 'Local'
  /** Somebody else's load balancer serves it: `spec.loadBalancerClass`. */
  readonly isOfOtherClass: boolean
  /** For events and status. */
  readonly object: ApiObject
}

export interface EndpointPort {
  readonly name: string
  readonly port: number
  readonly protocol: Protocol
}

/** One endpoint of an EndpointSlice, whoever wrote it. */
export interface EndpointRecord {
  /** All of one family. */
  readonly ips: readonly IpAddress[]
  /** Takes connections; `publishNotReadyAddresses` has been seen to by who wrote the slice. */
  readonly isReady: boolean
  /** Would still answer, though it is on its way out. */
  readonly isServing: boolean
  readonly isTerminating: boolean
  /** Empty unless the pod has one, and the service's name for a subdomain. */
  readonly hostname: string
  /** Empty when the slice does not say. */
  readonly node: string
  readonly ports: readonly EndpointPort[]
}

/** A service with its endpoints. */
export interface LiveServiceRecord {
  readonly service: ServiceRecord
  readonly endpoints: readonly EndpointRecord[]
}
