import type { ServiceName } from './text-match.ts'

/**
 * How to talk to the endpoints of one port of a service, or of one of its subsets. Endpoints themselves are workloads of
 * the Address family; a cluster without such a record has `DEFAULT_TRAFFIC_POLICY`.
 */
export interface Cluster extends ServiceName {
  readonly port: number
  /** Empty = the service itself. */
  readonly subset: string
  /** What an endpoint's `WorkloadLabels` must hold to be in the subset. */
  readonly labels: Readonly<Record<string, string>>
  readonly policy: TrafficPolicy
}

export interface TrafficPolicy {
  readonly balancing: Balancing
  readonly warmup: Warmup | undefined
  readonly locality: LocalityPreference
  readonly pool: ConnectionPool
  readonly outliers: OutlierDetection | undefined
  /** What is spoken inside of the tunnel; undefined = as the client does. */
  readonly tls: UpstreamTls | undefined
  readonly retryBudget: RetryBudget | undefined
}

export type Balancing =
  | { readonly kind: 'least-request' }
  | { readonly kind: 'round-robin' }
  | { readonly kind: 'random' }
  | { readonly kind: 'passthrough' }
  | { readonly kind: 'hash'; readonly key: HashKey; readonly table: HashTable }

export type HashKey =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'query'; readonly name: string }
  | { readonly kind: 'source-ip' }
  | { readonly kind: 'cookie'; readonly name: string; readonly path: string; readonly lifeMs: number | undefined }

export type HashTable =
  | { readonly kind: 'ring'; readonly minimumSize: number }
  | { readonly kind: 'maglev'; readonly size: number }

/** A new endpoint gets its whole share only after a while. */
export interface Warmup {
  readonly durationMs: number
  readonly minimumPercent: number
  readonly aggression: number
}

/** Localities are `region/zone/subzone`, parts may be missing at the end, `*` stands for any. */
export type LocalityPreference =
  /** As the service's own load balancing says. */
  | { readonly kind: 'service' }
  | { readonly kind: 'off' }
  | { readonly kind: 'distribute'; readonly rules: readonly LocalityShares[] }
  /** Nearest first; from a region to that one, then to any. */
  | { readonly kind: 'failover'; readonly regions: readonly { readonly from: string; readonly to: string }[] }
  /** The more of these labels (or `label=value`) an endpoint has in common with us from the left, the earlier it is. */
  | { readonly kind: 'priority'; readonly labels: readonly string[] }

export interface LocalityShares {
  readonly from: string
  readonly to: readonly { readonly locality: string; readonly weight: number }[]
}

/** `undefined` in a limit means none. */
export interface ConnectionPool {
  readonly connectTimeoutMs: number
  readonly maxConnections: number | undefined
  readonly maxConnectionAgeMs: number | undefined
  readonly tcpIdleTimeoutMs: number
  readonly keepalive: { readonly probes: number; readonly timeMs: number; readonly intervalMs: number } | undefined
  readonly maxPendingRequests: number | undefined
  readonly maxRequests: number | undefined
  readonly maxRequestsPerConnection: number | undefined
  readonly maxRetries: number | undefined
  readonly maxConcurrentStreams: number | undefined
  readonly httpIdleTimeoutMs: number
  /** Which HTTP is spoken to endpoints that did not say. */
  readonly upgrade: 'default' | 'never' | 'always' | 'as-client'
  readonly http2Keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | undefined
}

export interface OutlierDetection {
  /** 0 = not counted. */
  readonly consecutive5xx: number
  readonly consecutiveGatewayErrors: number
  readonly splitsLocalErrors: boolean
  readonly consecutiveLocalFailures: number
  readonly intervalMs: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  readonly maxEjectionPercent: number
  /** Below that many healthy ones all are used; 0 = never. */
  readonly minHealthPercent: number
}

export interface UpstreamTls {
  readonly mode: 'simple' | 'mutual'
  readonly sni: string
  readonly subjectAltNames: readonly string[]
  /** Files of the proxy; an empty CA file means the roots of its system. */
  readonly caFile: string
  readonly certificateFile: string
  readonly keyFile: string
  readonly skipsVerification: boolean
}

export interface RetryBudget {
  /** Of the requests under way. */
  readonly percent: number
  /** Always allowed. */
  readonly minimum: number
}

const HOUR_MS = 3_600_000

/** What holds where no DestinationRule says otherwise (istio-control-plane d.5). */
export const DEFAULT_TRAFFIC_POLICY: TrafficPolicy = {
  balancing: { kind: 'least-request' },
  warmup: undefined,
  locality: { kind: 'service' },
  pool: {
    connectTimeoutMs: 10_000,
    maxConnections: undefined,
    maxConnectionAgeMs: undefined,
    tcpIdleTimeoutMs: HOUR_MS,
    keepalive: undefined,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRequestsPerConnection: undefined,
    maxRetries: undefined,
    maxConcurrentStreams: undefined,
    httpIdleTimeoutMs: HOUR_MS,
    upgrade: 'default',
    http2Keepalive: undefined,
  },
  outliers: undefined,
  tls: undefined,
  retryBudget: undefined,
}
