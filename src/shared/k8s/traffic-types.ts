import type { FieldNote } from './notes.ts'
import type { KubeObject, LabelSelector } from './types.ts'

/** Istio: routes by host name. */
export interface VirtualService extends KubeObject {
  readonly kind: 'VirtualService'
  readonly spec: {
    readonly hosts: readonly string[]
    /** Empty = the mesh. */
    readonly gateways: readonly string[]
    readonly http: readonly IstioHttpRoute[]
    readonly tls: readonly IstioStreamRoute[]
    readonly tcp: readonly IstioStreamRoute[]
    /** Namespaces; empty = `*`. */
    readonly exportTo: readonly string[]
    readonly notes: readonly FieldNote[]
  }
}

export interface IstioHttpRoute {
  readonly name: string
  readonly match: readonly IstioHttpMatch[]
  readonly route: readonly IstioHttpDestination[]
  readonly redirect: IstioRedirect | undefined
  readonly directResponse: { readonly status: number; readonly body: Uint8Array } | undefined
  readonly delegate: { readonly name: string; readonly namespace: string } | undefined
  readonly rewrite: IstioRewrite | undefined
  readonly timeoutMs: number | undefined
  readonly retries: IstioRetries | undefined
  readonly fault: IstioFault | undefined
  readonly mirrors: readonly { readonly destination: IstioDestination; readonly percent: number }[]
  readonly corsPolicy: IstioCors | undefined
  readonly headers: IstioHeaders | undefined
}

/** `any` is a match with nothing in it: that something is there. */
export type IstioStringMatch = {
  readonly kind: 'exact' | 'prefix' | 'regex' | 'any'
  readonly value: string
}

type MatchMap = readonly (readonly [name: string, match: IstioStringMatch])[]

export interface IstioHttpMatch {
  readonly name: string
  readonly uri: IstioStringMatch | undefined
  readonly ignoreUriCase: boolean
  readonly scheme: IstioStringMatch | undefined
  readonly method: IstioStringMatch | undefined
  readonly authority: IstioStringMatch | undefined
  readonly headers: MatchMap
  readonly withoutHeaders: MatchMap
  readonly queryParams: MatchMap
  readonly port: number | undefined
  readonly gateways: readonly string[]
  readonly sourceLabels: Readonly<Record<string, string>>
  readonly sourceNamespace: string
}

export interface IstioDestination {
  readonly host: string
  readonly subset: string
  readonly port: number | undefined
}

export interface IstioHttpDestination {
  readonly destination: IstioDestination
  readonly weight: number
  readonly headers: IstioHeaders | undefined
}

export interface IstioHeaders {
  readonly request: IstioHeaderOperations
  readonly response: IstioHeaderOperations
}

export interface IstioHeaderOperations {
  readonly set: Readonly<Record<string, string>>
  readonly add: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

export interface IstioRedirect {
  readonly uri: string
  readonly authority: string
  readonly port: number | undefined
  readonly derivePort: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT' | undefined
  readonly scheme: string
  readonly redirectCode: number
}

export interface IstioRewrite {
  readonly uri: string
  readonly authority: string
  readonly uriRegexRewrite: { readonly match: string; readonly rewrite: string } | undefined
}

export interface IstioRetries {
  readonly attempts: number
  readonly perTryTimeoutMs: number | undefined
  /** As written, commas between; empty = the default. */
  readonly retryOn: string
  readonly retryRemoteLocalities: boolean
  readonly retryIgnorePreviousHosts: boolean | undefined
  readonly backoffMs: number | undefined
}

export interface IstioFault {
  readonly delay: { readonly percent: number; readonly fixedDelayMs: number } | undefined
  readonly abort:
    | { readonly percent: number; readonly httpStatus: number | undefined; readonly grpcStatus: string }
    | undefined
}

export interface IstioCors {
  readonly allowOrigins: readonly IstioStringMatch[]
  readonly allowMethods: readonly string[]
  readonly allowHeaders: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeMs: number | undefined
  readonly allowCredentials: boolean
  readonly unmatchedPreflights: 'UNSPECIFIED' | 'FORWARD' | 'IGNORE'
}

/** A route of TLS or TCP; `sniHosts` is empty for TCP. */
export interface IstioStreamRoute {
  readonly match: readonly IstioStreamMatch[]
  readonly route: readonly { readonly destination: IstioDestination; readonly weight: number }[]
}

export interface IstioStreamMatch {
  readonly sniHosts: readonly string[]
  readonly destinationSubnets: readonly string[]
  readonly port: number | undefined
  readonly sourceLabels: Readonly<Record<string, string>>
  readonly sourceNamespace: string
  readonly gateways: readonly string[]
}

/** Istio: how to talk to a host. */
export interface DestinationRule extends KubeObject {
  readonly kind: 'DestinationRule'
  readonly spec: {
    readonly host: string
    readonly trafficPolicy: IstioTrafficPolicy | undefined
    readonly subsets: readonly IstioSubset[]
    readonly exportTo: readonly string[]
    readonly workloadSelector: LabelSelector | undefined
    readonly notes: readonly FieldNote[]
  }
}

export interface IstioSubset {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly trafficPolicy: IstioTrafficPolicy | undefined
}

/** Blocks that are not written come from the level above. */
export interface IstioPortPolicy {
  readonly loadBalancer: IstioLoadBalancer | undefined
  readonly connectionPool: IstioConnectionPool | undefined
  readonly outlierDetection: IstioOutlierDetection | undefined
  readonly tls: IstioTls | undefined
}

export interface IstioTrafficPolicy extends IstioPortPolicy {
  readonly retryBudget: { readonly percent: number; readonly minimum: number } | undefined
  readonly portLevelSettings: readonly { readonly port: number; readonly policy: IstioPortPolicy }[]
}

export interface IstioLoadBalancer {
  readonly simple: 'UNSPECIFIED' | 'LEAST_CONN' | 'LEAST_REQUEST' | 'RANDOM' | 'PASSTHROUGH' | 'ROUND_ROBIN'
  readonly consistentHash: IstioConsistentHash | undefined
  readonly locality: IstioLocality | undefined
  readonly warmup:
    | { readonly durationMs: number; readonly minimumPercent: number; readonly aggression: number }
    | undefined
}

export interface IstioConsistentHash {
  readonly httpHeaderName: string
  readonly httpCookie: { readonly name: string; readonly path: string; readonly ttlMs: number | undefined } | undefined
  readonly useSourceIp: boolean
  readonly httpQueryParameterName: string
  readonly table:
    | { readonly kind: 'ring'; readonly minimumSize: number }
    | { readonly kind: 'maglev'; readonly size: number }
}

export interface IstioLocality {
  readonly isEnabled: boolean
  readonly distribute: readonly {
    readonly from: string
    readonly to: readonly (readonly [locality: string, weight: number])[]
  }[]
  readonly failover: readonly { readonly from: string; readonly to: string }[]
  readonly failoverPriority: readonly string[]
}

/** Undefined = not written. */
export interface IstioConnectionPool {
  readonly connectTimeoutMs: number | undefined
  readonly maxConnections: number | undefined
  readonly maxConnectionDurationMs: number | undefined
  readonly tcpIdleTimeoutMs: number | undefined
  readonly tcpKeepalive:
    | {
        readonly probes: number | undefined
        readonly timeMs: number | undefined
        readonly intervalMs: number | undefined
      }
    | undefined
  readonly http1MaxPendingRequests: number | undefined
  readonly http2MaxRequests: number | undefined
  readonly maxRequestsPerConnection: number | undefined
  readonly maxRetries: number | undefined
  readonly httpIdleTimeoutMs: number | undefined
  readonly h2UpgradePolicy: 'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE'
  readonly useClientProtocol: boolean
  readonly maxConcurrentStreams: number | undefined
  readonly http2KeepAlive:
    | { readonly intervalMs: number | undefined; readonly timeoutMs: number | undefined }
    | undefined
}

export interface IstioOutlierDetection {
  readonly consecutive5xxErrors: number | undefined
  readonly consecutiveGatewayErrors: number | undefined
  readonly splitExternalLocalOriginErrors: boolean
  readonly consecutiveLocalOriginFailures: number | undefined
  readonly intervalMs: number | undefined
  readonly baseEjectionTimeMs: number | undefined
  readonly maxEjectionPercent: number | undefined
  readonly minHealthPercent: number | undefined
}

export interface IstioTls {
  readonly mode: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL'
  readonly clientCertificate: string
  readonly privateKey: string
  readonly caCertificates: string
  readonly subjectAltNames: readonly string[]
  readonly sni: string
  readonly insecureSkipVerify: boolean
}
