import type {
  Balancing,
  Cluster,
  ConnectionPool,
  HashKey,
  HashTable,
  LocalityPreference,
  LocalityShares,
  OutlierDetection,
  TrafficPolicy,
  UpstreamTls,
  WorkloadLabels,
} from '#shared/l7'
import { percent, portNumber, positive, uint32 } from './waypoint-route-shapes.ts'
import {
  count,
  flag,
  list,
  nothing,
  oneOf,
  optional,
  quantity,
  struct,
  text,
  textMap,
  union,
  type WireShape,
  word,
} from './wire-shape.ts'

/** The parts of waypoint-cluster.proto, field by field under the same names. */

/** Larger tables of hashes would cost a proxy seconds and hundreds of megabytes. */
const tableSize = count(1, 8_388_608)

const hashKey = union<HashKey>({
  header: struct({ name: word }),
  query: struct({ name: word }),
  'source-ip': nothing,
  cookie: struct({ name: word, path: text, lifeMs: optional(uint32) }),
})

const balancing = union<Balancing>({
  'least-request': nothing,
  'round-robin': nothing,
  random: nothing,
  passthrough: nothing,
  hash: struct({
    key: hashKey,
    table: union<HashTable>({ ring: struct({ minimumSize: tableSize }), maglev: struct({ size: tableSize }) }),
  }),
})

const locality = union<LocalityPreference>({
  service: nothing,
  off: nothing,
  distribute: struct({
    rules: list(struct<LocalityShares>({ from: word, to: list(struct({ locality: word, weight: uint32 })) })),
  }),
  failover: struct({ regions: list(struct({ from: word, to: word })) }),
  priority: struct({ labels: list(word) }),
})

const pool = struct<ConnectionPool>({
  connectTimeoutMs: positive,
  maxConnections: optional(uint32),
  maxConnectionAgeMs: optional(uint32),
  tcpIdleTimeoutMs: uint32,
  keepalive: optional(struct({ probes: uint32, timeMs: uint32, intervalMs: uint32 })),
  maxPendingRequests: optional(uint32),
  maxRequests: optional(uint32),
  maxRequestsPerConnection: optional(positive),
  maxRetries: optional(uint32),
  maxConcurrentStreams: optional(positive),
  httpIdleTimeoutMs: uint32,
  upgrade: oneOf(['default', 'never', 'always', 'as-client']),
  http2Keepalive: optional(struct({ intervalMs: uint32, timeoutMs: uint32 })),
})

const outliers = struct<OutlierDetection>({
  consecutive5xx: uint32,
  consecutiveGatewayErrors: uint32,
  splitsLocalErrors: flag,
  consecutiveLocalFailures: uint32,
  intervalMs: positive,
  baseEjectionMs: positive,
  maxEjectionMs: positive,
  maxEjectionPercent: count(0, 100),
  minHealthPercent: count(0, 100),
})

const tls = struct<UpstreamTls>({
  mode: oneOf(['simple', 'mutual']),
  sni: text,
  subjectAltNames: list(word),
  caFile: text,
  certificateFile: text,
  keyFile: text,
  skipsVerification: flag,
})

const policy = struct<TrafficPolicy>({
  balancing,
  warmup: optional(struct({ durationMs: positive, minimumPercent: percent, aggression: quantity(0, 1_000) })),
  locality,
  pool,
  outliers: optional(outliers),
  tls: optional(tls),
  retryBudget: optional(struct({ percent, minimum: uint32 })),
})

export const clusterShape: WireShape<Cluster> = struct<Cluster>({
  namespace: word,
  hostname: word,
  port: portNumber,
  subset: text,
  labels: textMap,
  policy,
})

export const workloadLabelsShape: WireShape<WorkloadLabels> = struct<WorkloadLabels>({ uid: word, labels: textMap })
