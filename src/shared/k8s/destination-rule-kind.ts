import { flag, integer, list, oneOf, optional, pairs, record, type Shape, shown, text, textMap } from '#shared/document'
import { type KindBody, MAX_PORT } from './core-kinds.ts'
import { durationMs } from './durations.ts'
import { notHonoured, withNotes } from './notes.ts'
import type {
  DestinationRule,
  IstioConnectionPool,
  IstioConsistentHash,
  IstioLoadBalancer,
  IstioLocality,
  IstioOutlierDetection,
  IstioPortPolicy,
  IstioTls,
  IstioTrafficPolicy,
} from './traffic-types.ts'

const MAX_INT32 = 0x7fff_ffff
const amount = optional(integer(0, MAX_INT32))
const duration = optional(durationMs)
const share = integer(0, 100)

function quantity(min: number, max: number): Shape<number> {
  return (value, path, report) => {
    if (typeof value === 'number' && value >= min && value <= max) return value
    report(path, `must be a number from ${min} to ${max}, is ${shown(value)}`)
    return min
  }
}

const cookie = record(
  { name: text(), path: text(''), ttl: duration, attributes: notHonoured('cookies have no others') },
  'closed',
)
const MIN_RING = 1_024
const MAGLEV_SIZE = 65_537
const MAX_TABLE = 8_388_608
const hashFields = record(
  {
    httpHeaderName: text(''),
    httpCookie: optional(cookie),
    useSourceIp: flag,
    httpQueryParameterName: text(''),
    minimumRingSize: optional(integer(1, MAX_TABLE)),
    ringHash: optional(record({ minimumRingSize: optional(integer(1, MAX_TABLE)) }, 'closed')),
    maglev: optional(record({ tableSize: optional(integer(2, MAX_TABLE)) }, 'closed')),
  },
  'closed',
)
const consistentHash: Shape<IstioConsistentHash> = (value, path, report) => {
  const { httpCookie, minimumRingSize, ringHash, maglev, ...rest } = hashFields(value, path, report)
  const keys = [rest.httpHeaderName, httpCookie?.name ?? '', rest.httpQueryParameterName].filter((key) => key !== '')
  if (keys.length + Number(rest.useSourceIp) !== 1)
    report(path, 'needs exactly one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName')
  return {
    ...rest,
    httpCookie: httpCookie && { name: httpCookie.name, path: httpCookie.path, ttlMs: httpCookie.ttl },
    table:
      maglev === undefined
        ? { kind: 'ring', minimumSize: ringHash?.minimumRingSize ?? minimumRingSize ?? MIN_RING }
        : { kind: 'maglev', size: maglev.tableSize ?? MAGLEV_SIZE },
  }
}

const localityFields = record(
  {
    distribute: list(record({ from: text(), to: pairs(share) }, 'closed')),
    failover: list(record({ from: text(), to: text() }, 'closed')),
    failoverPriority: list(text()),
    enabled: optional(flag),
    zoneAware: notHonoured('there is no zone-aware balancing'),
  },
  'closed',
)
const locality: Shape<IstioLocality> = (value, path, report) => {
  const { enabled, zoneAware: _, ...rest } = localityFields(value, path, report)
  const given = [rest.distribute, rest.failover, rest.failoverPriority].filter((part) => part.length > 0)
  if (given.length > 1) report(path, 'is only one of distribute, failover and failoverPriority')
  rest.distribute.forEach(({ to }, i) => {
    const sum = to.reduce((total, [, weight]) => total + weight, 0)
    if (sum !== 100) report([...path, 'distribute', i, 'to'], `must sum up to 100, is ${sum}`)
  })
  return { ...rest, isEnabled: enabled ?? true }
}

const warmupFields = record(
  { duration: durationMs, minimumPercent: optional(quantity(0, 100)), aggression: optional(quantity(1, 1_000)) },
  'closed',
)
const balancerFields = record(
  {
    simple: oneOf(
      ['UNSPECIFIED', 'LEAST_CONN', 'LEAST_REQUEST', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN'],
      'UNSPECIFIED',
    ),
    consistentHash: optional(consistentHash),
    localityLbSetting: optional(locality),
    warmupDurationSecs: duration,
    warmup: optional(warmupFields),
  },
  'closed',
)
const MIN_WARMUP_PERCENT = 10
const loadBalancer: Shape<IstioLoadBalancer> = (value, path, report) => {
  const { localityLbSetting, warmupDurationSecs, warmup, ...rest } = balancerFields(value, path, report)
  if (rest.simple !== 'UNSPECIFIED' && rest.consistentHash !== undefined)
    report([...path, 'consistentHash'], 'cannot stand beside simple')
  const durationOf = warmup?.duration ?? warmupDurationSecs
  return {
    ...rest,
    locality: localityLbSetting,
    warmup:
      durationOf === undefined
        ? undefined
        : {
            durationMs: durationOf,
            minimumPercent: warmup?.minimumPercent ?? MIN_WARMUP_PERCENT,
            aggression: warmup?.aggression ?? 1,
          },
  }
}

const tcpPool = record(
  {
    maxConnections: amount,
    connectTimeout: duration,
    tcpKeepalive: optional(record({ probes: amount, time: duration, interval: duration }, 'closed')),
    maxConnectionDuration: duration,
    idleTimeout: duration,
  },
  'closed',
)
const httpPool = record(
  {
    http1MaxPendingRequests: amount,
    http2MaxRequests: amount,
    maxRequestsPerConnection: amount,
    maxRetries: amount,
    idleTimeout: duration,
    h2UpgradePolicy: oneOf(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'], 'DEFAULT'),
    useClientProtocol: flag,
    maxConcurrentStreams: amount,
    http2KeepAlive: optional(record({ interval: duration, timeout: duration }, 'closed')),
  },
  'closed',
)
const poolFields = record({ tcp: tcpPool, http: httpPool }, 'closed')
const connectionPool: Shape<IstioConnectionPool> = (value, path, report) => {
  const { tcp, http } = poolFields(value, path, report)
  const { idleTimeout, http2KeepAlive, ...rest } = http
  const keepalive = tcp.tcpKeepalive
  return {
    ...rest,
    connectTimeoutMs: tcp.connectTimeout,
    maxConnections: tcp.maxConnections,
    maxConnectionDurationMs: tcp.maxConnectionDuration,
    tcpIdleTimeoutMs: tcp.idleTimeout,
    tcpKeepalive: keepalive && { probes: keepalive.probes, timeMs: keepalive.time, intervalMs: keepalive.interval },
    httpIdleTimeoutMs: idleTimeout,
    http2KeepAlive: http2KeepAlive && { intervalMs: http2KeepAlive.interval, timeoutMs: http2KeepAlive.timeout },
  }
}

const outlierFields = record(
  {
    splitExternalLocalOriginErrors: flag,
    consecutiveLocalOriginFailures: amount,
    consecutiveGatewayErrors: amount,
    consecutive5xxErrors: amount,
    consecutiveErrors: notHonoured('is obsolete: consecutive5xxErrors takes its place'),
    interval: duration,
    baseEjectionTime: duration,
    maxEjectionPercent: optional(share),
    minHealthPercent: optional(share),
  },
  'closed',
)
const outlierDetection: Shape<IstioOutlierDetection> = (value, path, report) => {
  const { interval, baseEjectionTime, consecutiveErrors: _, ...rest } = outlierFields(value, path, report)
  return { ...rest, intervalMs: interval, baseEjectionTimeMs: baseEjectionTime }
}

const tlsFields = record(
  {
    mode: oneOf(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'], 'DISABLE'),
    clientCertificate: text(''),
    privateKey: text(''),
    caCertificates: text(''),
    credentialName: notHonoured('secrets are not handed to waypoints: name files of the proxy'),
    subjectAltNames: list(text()),
    sni: text(''),
    insecureSkipVerify: optional(flag),
    caCrl: notHonoured('revocation lists are not handed to waypoints'),
  },
  'closed',
)
const tls: Shape<IstioTls> = (value, path, report) => {
  const { credentialName: _, caCrl: __, insecureSkipVerify, ...rest } = tlsFields(value, path, report)
  if (rest.mode === 'MUTUAL' && (rest.clientCertificate === '' || rest.privateKey === ''))
    report(path, 'needs clientCertificate and privateKey for MUTUAL')
  return { ...rest, insecureSkipVerify: insecureSkipVerify === true }
}

const portFields = {
  loadBalancer: optional(loadBalancer),
  connectionPool: optional(connectionPool),
  outlierDetection: optional(outlierDetection),
  tls: optional(tls),
}
const portLevel = record({ port: record({ number: integer(1, MAX_PORT) }, 'closed'), ...portFields }, 'closed')
const budgetFields = record(
  {
    percent: optional(quantity(0, 100)),
    minRetryConcurrency: amount,
    budgetInterval: notHonoured('the budget is of the requests under way'),
  },
  'closed',
)
const policyFields = record(
  {
    ...portFields,
    portLevelSettings: list(portLevel),
    retryBudget: optional(budgetFields),
    tunnel: notHonoured('waypoints do not tunnel through other proxies'),
    proxyProtocol: notHonoured('waypoints do not speak the PROXY protocol to endpoints'),
  },
  'closed',
)
const BUDGET_PERCENT = 20
const BUDGET_MINIMUM = 3
const trafficPolicy: Shape<IstioTrafficPolicy> = (value, path, report) => {
  const { portLevelSettings, retryBudget, tunnel: _, proxyProtocol: __, ...rest } = policyFields(value, path, report)
  return {
    ...rest,
    retryBudget: retryBudget && {
      percent: retryBudget.percent ?? BUDGET_PERCENT,
      minimum: retryBudget.minRetryConcurrency ?? BUDGET_MINIMUM,
    },
    portLevelSettings: portLevelSettings.map(({ port, ...policy }): { port: number; policy: IstioPortPolicy } => ({
      port: port.number,
      policy,
    })),
  }
}

const destinationRule = record(
  {
    host: text(),
    trafficPolicy: optional(trafficPolicy),
    subsets: list(record({ name: text(), labels: textMap, trafficPolicy: optional(trafficPolicy) }, 'closed')),
    exportTo: list(text()),
    workloadSelector: optional(record({ matchLabels: textMap }, 'closed')),
  },
  'closed',
)

export const destinationRuleBody: KindBody<Pick<DestinationRule, 'spec'>> = (document, report) => {
  const { value, notes } = withNotes(destinationRule, document.spec ?? {}, ['spec'], report)
  value.subsets.forEach(({ name }, i) => {
    const twin = value.subsets.findIndex((other) => other.name === name)
    if (twin < i) report(['spec', 'subsets', i, 'name'], `is the same as of spec.subsets[${twin}]`)
  })
  return { spec: { ...value, notes } }
}
