/**
 * The messages of `proto/` as the codec gives and takes them: absent scalars are zero or empty, absent messages null,
 * a member of a oneof is there only when it is set, enums are numbers (wire-tables of the reference).
 */

export interface AnyMessage {
  /** Not in camel case: google.protobuf.Any comes from the library's own definitions, which keep the names. */
  readonly type_url: string
  readonly value: Uint8Array
}

/** google.protobuf.Value; exactly one member is set on the wire, none in a hostile message. */
export interface StructValue {
  readonly nullValue?: number
  readonly numberValue?: number
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly structValue?: StructMessage
  readonly listValue?: { readonly values: readonly StructValue[] }
}

export interface StructMessage {
  readonly fields: Readonly<Record<string, StructValue>>
}

export interface NodeMessage {
  readonly id: string
  readonly cluster: string
  readonly metadata: StructMessage | null
  readonly buildVersion: string
}

export interface StatusMessage {
  readonly code: number
  readonly message: string
}

export interface DeltaRequest {
  readonly node: NodeMessage | null
  readonly typeUrl: string
  readonly resourceNamesSubscribe: readonly string[]
  readonly resourceNamesUnsubscribe: readonly string[]
  readonly initialResourceVersions: Readonly<Record<string, string>>
  readonly responseNonce: string
  readonly errorDetail: StatusMessage | null
}

export interface ResourceMessage {
  readonly version: string
  readonly resource: AnyMessage | null
  readonly name: string
  readonly aliases: readonly string[]
}

export interface DeltaResponse {
  readonly systemVersionInfo: string
  readonly resources: readonly ResourceMessage[]
  readonly typeUrl: string
  readonly nonce: string
  readonly removedResources: readonly string[]
}

/** State-of-the-world discovery, of which only status is asked. */
export interface StateRequest {
  readonly typeUrl: string
  readonly resourceNames: readonly string[]
  readonly responseNonce: string
}

export interface StateResponse {
  readonly versionInfo: string
  readonly resources: readonly AnyMessage[]
  readonly typeUrl: string
  readonly nonce: string
  readonly controlPlane: { readonly identifier: string } | null
}

export interface TimestampMessage {
  readonly seconds: number
  readonly nanos: number
}

/** envoy.service.status.v3.ClientConfig; `configStatus`: 1 SYNCED, 2 NOT_SENT, 3 STALE, 4 ERROR. */
export interface ClientConfigMessage {
  readonly node: NodeMessage | null
  readonly genericXdsConfigs: readonly {
    readonly typeUrl: string
    readonly lastUpdated: TimestampMessage | null
    readonly configStatus: number
    readonly errorState: { readonly lastUpdateAttempt: TimestampMessage | null; readonly details: string } | null
  }[]
}

export interface AddressMessage {
  readonly workload?: WorkloadMessage
  readonly service?: ServiceMessage
}

export interface NetworkAddressMessage {
  readonly network: string
  readonly address: Uint8Array
  /** Explicitly optional: absent when not sent. */
  readonly length?: number
}

export interface GatewayAddressMessage {
  readonly hostname?: { readonly namespace: string; readonly hostname: string }
  readonly address?: NetworkAddressMessage
  readonly hboneMtlsPort: number
}

export interface PortMessage {
  readonly servicePort: number
  readonly targetPort: number
}

export interface ServiceMessage {
  readonly name: string
  readonly namespace: string
  readonly hostname: string
  readonly addresses: readonly NetworkAddressMessage[]
  readonly ports: readonly PortMessage[]
  readonly subjectAltNames: readonly string[]
  readonly waypoint: GatewayAddressMessage | null
  readonly loadBalancing: LoadBalancingMessage | null
  readonly ipFamilies: number
  readonly canonical: boolean
  readonly ingressUseWaypoint: boolean
  readonly weightedWaypoints: readonly {
    readonly destination: GatewayAddressMessage | null
    readonly weight: number
  }[]
  readonly visibility: number
}

export interface LoadBalancingMessage {
  readonly routingPreference: readonly number[]
  readonly mode: number
  readonly healthPolicy: number
}

export interface WorkloadMessage {
  readonly name: string
  readonly namespace: string
  readonly addresses: readonly Uint8Array[]
  readonly network: string
  readonly tunnelProtocol: number
  readonly trustDomain: string
  readonly serviceAccount: string
  readonly waypoint: GatewayAddressMessage | null
  readonly node: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly workloadType: number
  readonly workloadName: string
  readonly nativeTunnel: boolean
  readonly authorizationPolicies: readonly string[]
  readonly status: number
  readonly clusterId: string
  readonly networkGateway: GatewayAddressMessage | null
  readonly uid: string
  readonly hostname: string
  readonly services: Readonly<Record<string, { readonly ports: readonly PortMessage[] }>>
  readonly applicationTunnel: { readonly protocol: number; readonly port: number } | null
  readonly locality: { readonly region: string; readonly zone: string; readonly subzone: string } | null
  readonly networkMode: number
  readonly capacity: { readonly value: number } | null
}

export interface AuthorizationMessage {
  readonly name: string
  readonly namespace: string
  readonly scope: number
  readonly action: number
  readonly rules: readonly { readonly clauses: readonly { readonly matches: readonly MatchMessage[] }[] }[]
  readonly dryRun: boolean
}

export interface StringMatchMessage {
  readonly exact?: string
  readonly prefix?: string
  readonly suffix?: string
  readonly presence?: object
}

export interface CidrMessage {
  readonly address: Uint8Array
  readonly length: number
}

export interface MatchMessage {
  readonly namespaces: readonly StringMatchMessage[]
  readonly notNamespaces: readonly StringMatchMessage[]
  readonly principals: readonly StringMatchMessage[]
  readonly notPrincipals: readonly StringMatchMessage[]
  readonly sourceIps: readonly CidrMessage[]
  readonly notSourceIps: readonly CidrMessage[]
  readonly destinationIps: readonly CidrMessage[]
  readonly notDestinationIps: readonly CidrMessage[]
  readonly destinationPorts: readonly number[]
  readonly notDestinationPorts: readonly number[]
  readonly serviceAccounts: readonly { readonly namespace: string; readonly serviceAccount: string }[]
  readonly notServiceAccounts: readonly { readonly namespace: string; readonly serviceAccount: string }[]
}

export interface CertificateRequestMessage {
  readonly csr: string
  /** Seconds. */
  readonly validityDuration: number
  readonly metadata: StructMessage | null
}

export interface CertificateReply {
  readonly certChain: readonly string[]
}
