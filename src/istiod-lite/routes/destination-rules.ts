import type {
  DestinationRule,
  IstioConnectionPool,
  IstioLoadBalancer,
  IstioLocality,
  IstioOutlierDetection,
  IstioPortPolicy,
  IstioTls,
  IstioTrafficPolicy,
} from '#shared/k8s'
import {
  type Balancing,
  type ConnectionPool,
  DEFAULT_TRAFFIC_POLICY,
  type HashKey,
  type LocalityPreference,
  type OutlierDetection,
  type TrafficPolicy,
  type UpstreamTls,
} from '#shared/l7'
import { byAge, isExported } from './hosts.ts'

/** Rules for one host as one: the oldest policy, and everybody's subsets, each name once (d.5 "host lookup"). */
export interface HostRule {
  readonly policy: IstioTrafficPolicy | undefined
  readonly subsets: ReadonlyMap<string, DestinationRule['spec']['subsets'][number]>
}

/** Where rules for a host name may stand, and who asks. */
export interface RuleSearch {
  /** Of the waypoint: whose rules come first. */
  readonly client: string
  /** Of the service. */
  readonly service: string
  readonly root: string
  /** Rules for a host name or pattern, most specific first. */
  readonly candidates: readonly (readonly DestinationRule[])[]
}

/**
 * The rule that holds: of the client's namespace, else of the service's, else of the root namespace; within one the most
 * specific host. Rules with a workload selector are for sidecars.
 */
export function hostRule({ client, service, root, candidates }: RuleSearch): HostRule | undefined {
  for (const namespace of new Set([client, service, root])) {
    for (const sameHost of candidates) {
      const rules = sameHost.filter(
        ({ metadata, spec }) =>
          metadata.namespace === namespace &&
          spec.workloadSelector === undefined &&
          isExported(spec.exportTo, metadata.namespace, client),
      )
      if (rules.length > 0) return merged(rules)
    }
  }
  return undefined
}

function merged(rules: readonly DestinationRule[]): HostRule {
  const sorted = [...rules].sort(byAge)
  const subsets = new Map<string, DestinationRule['spec']['subsets'][number]>()
  for (const { spec } of sorted) {
    for (const subset of spec.subsets) if (!subsets.has(subset.name)) subsets.set(subset.name, subset)
  }
  return { policy: sorted.find(({ spec }) => spec.trafficPolicy !== undefined)?.spec.trafficPolicy, subsets }
}

/** The policy of a port, of a subset when one is named: a subset's block takes the place of the host's whole block. */
export function trafficPolicy(rule: HostRule | undefined, port: number, subset: string): TrafficPolicy {
  if (rule === undefined) return DEFAULT_TRAFFIC_POLICY
  const own = subset === '' ? undefined : rule.subsets.get(subset)?.trafficPolicy
  const blocks = blocksOf(own, rule.policy, port)
  return {
    balancing: blocks.loadBalancer === undefined ? DEFAULT_TRAFFIC_POLICY.balancing : balancingOf(blocks.loadBalancer),
    warmup: warmupOf(blocks.loadBalancer),
    locality: localityOf(blocks.loadBalancer?.locality),
    pool: poolOf(blocks.connectionPool),
    outliers: blocks.outlierDetection && outliersOf(blocks.outlierDetection),
    tls: blocks.tls && tlsOf(blocks.tls),
    retryBudget: blocks.retryBudget,
  }
}

type Blocks = IstioPortPolicy & Pick<IstioTrafficPolicy, 'retryBudget'>

/** What is said for a port is said instead of everything else: blocks that it leaves out have their defaults. */
function blocksOf(
  own: IstioTrafficPolicy | undefined,
  base: IstioTrafficPolicy | undefined,
  port: number,
): Partial<Blocks> {
  const settings = own?.portLevelSettings.length ? own.portLevelSettings : (base?.portLevelSettings ?? [])
  const ofPort = settings.find((setting) => setting.port === port)
  if (ofPort !== undefined) return ofPort.policy
  return {
    loadBalancer: own?.loadBalancer ?? base?.loadBalancer,
    connectionPool: own?.connectionPool ?? base?.connectionPool,
    outlierDetection: own?.outlierDetection ?? base?.outlierDetection,
    tls: own?.tls ?? base?.tls,
    retryBudget: own?.retryBudget ?? base?.retryBudget,
  }
}

const SIMPLE = {
  UNSPECIFIED: 'least-request',
  LEAST_CONN: 'least-request',
  LEAST_REQUEST: 'least-request',
  RANDOM: 'random',
  PASSTHROUGH: 'passthrough',
  ROUND_ROBIN: 'round-robin',
} as const

function balancingOf({ simple, consistentHash }: IstioLoadBalancer): Balancing {
  if (consistentHash === undefined) return { kind: SIMPLE[simple] }
  return { kind: 'hash', key: hashKeyOf(consistentHash), table: consistentHash.table }
}

function hashKeyOf(hash: NonNullable<IstioLoadBalancer['consistentHash']>): HashKey {
  const { httpHeaderName, httpCookie, httpQueryParameterName } = hash
  if (httpHeaderName !== '') return { kind: 'header', name: httpHeaderName.toLowerCase() }
  if (httpQueryParameterName !== '') return { kind: 'query', name: httpQueryParameterName }
  if (httpCookie === undefined) return { kind: 'source-ip' }
  return { kind: 'cookie', name: httpCookie.name, path: httpCookie.path, lifeMs: httpCookie.ttlMs }
}

/** Only balancers that know how busy an endpoint is, or whose turn it is, can hold back. */
function warmupOf(balancer: IstioLoadBalancer | undefined): TrafficPolicy['warmup'] {
  const isCounting =
    balancer?.consistentHash === undefined && balancer?.simple !== 'RANDOM' && balancer?.simple !== 'PASSTHROUGH'
  return isCounting && (balancer?.warmup?.durationMs ?? 0) > 0 ? balancer?.warmup : undefined
}

function localityOf(locality: IstioLocality | undefined): LocalityPreference {
  if (locality === undefined) return DEFAULT_TRAFFIC_POLICY.locality
  if (!locality.isEnabled) return { kind: 'off' }
  if (locality.distribute.length > 0) {
    const rules = locality.distribute.map(({ from, to }) => ({
      from,
      to: to.map(([place, weight]) => ({ locality: place, weight })),
    }))
    return { kind: 'distribute', rules }
  }
  if (locality.failoverPriority.length > 0) return { kind: 'priority', labels: locality.failoverPriority }
  return { kind: 'failover', regions: locality.failover }
}

const KEEPALIVE = { probes: 9, timeMs: 7_200_000, intervalMs: 75_000 }
const HTTP2_KEEPALIVE = { intervalMs: 30_000, timeoutMs: 10_000 }
const UPGRADES = { DEFAULT: 'default', DO_NOT_UPGRADE: 'never', UPGRADE: 'always' } as const

function poolOf(pool: IstioConnectionPool | undefined): ConnectionPool {
  const defaults = DEFAULT_TRAFFIC_POLICY.pool
  if (pool === undefined) return defaults
  const { tcpKeepalive: keepalive, http2KeepAlive: http2 } = pool
  const tcpIdleTimeoutMs = pool.tcpIdleTimeoutMs ?? defaults.tcpIdleTimeoutMs
  return {
    connectTimeoutMs: pool.connectTimeoutMs || defaults.connectTimeoutMs,
    // 0 is Istio's way to say nothing in each of these.
    maxConnections: pool.maxConnections || undefined,
    maxConnectionAgeMs: pool.maxConnectionDurationMs || undefined,
    tcpIdleTimeoutMs,
    keepalive: keepalive && {
      probes: keepalive.probes || KEEPALIVE.probes,
      timeMs: keepalive.timeMs || KEEPALIVE.timeMs,
      intervalMs: keepalive.intervalMs || KEEPALIVE.intervalMs,
    },
    maxPendingRequests: pool.http1MaxPendingRequests || undefined,
    maxRequests: pool.http2MaxRequests || undefined,
    maxRequestsPerConnection: pool.maxRequestsPerConnection || undefined,
    maxRetries: pool.maxRetries || undefined,
    maxConcurrentStreams: pool.maxConcurrentStreams || undefined,
    httpIdleTimeoutMs: pool.httpIdleTimeoutMs ?? tcpIdleTimeoutMs,
    upgrade: pool.useClientProtocol ? 'as-client' : UPGRADES[pool.h2UpgradePolicy],
    http2Keepalive: http2 && {
      intervalMs: http2.intervalMs ?? HTTP2_KEEPALIVE.intervalMs,
      timeoutMs: http2.timeoutMs ?? HTTP2_KEEPALIVE.timeoutMs,
    },
  }
}

const MAX_EJECTION_MS = 300_000

function outliersOf(outliers: IstioOutlierDetection): OutlierDetection {
  const baseEjectionMs = outliers.baseEjectionTimeMs || 30_000
  return {
    consecutive5xx: outliers.consecutive5xxErrors ?? 5,
    consecutiveGatewayErrors: outliers.consecutiveGatewayErrors ?? 0,
    splitsLocalErrors: outliers.splitExternalLocalOriginErrors,
    consecutiveLocalFailures: outliers.consecutiveLocalOriginFailures ?? 5,
    intervalMs: outliers.intervalMs || 10_000,
    baseEjectionMs,
    maxEjectionMs: Math.max(MAX_EJECTION_MS, baseEjectionMs),
    maxEjectionPercent: outliers.maxEjectionPercent ?? 10,
    minHealthPercent: outliers.minHealthPercent ?? 0,
  }
}

/** The tunnel is mutual TLS already: ISTIO_MUTUAL asks for nothing more. */
function tlsOf(tls: IstioTls): UpstreamTls | undefined {
  if (tls.mode === 'DISABLE' || tls.mode === 'ISTIO_MUTUAL') return undefined
  return {
    mode: tls.mode === 'MUTUAL' ? 'mutual' : 'simple',
    sni: tls.sni,
    subjectAltNames: tls.subjectAltNames,
    caFile: tls.caCertificates,
    certificateFile: tls.clientCertificate,
    keyFile: tls.privateKey,
    skipsVerification: tls.insecureSkipVerify,
  }
}
