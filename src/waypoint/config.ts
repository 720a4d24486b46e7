import {
  type ConfigSpec,
  duration,
  integer,
  oneOf,
  optional,
  optionalText,
  parsed,
  readConfig,
  setting,
  text,
} from '#shared/config'
import { parseSpiffeId, type SpiffeId } from '#shared/model'
import { type IpAddress, parseIp } from '#shared/net'
import type { LogFormat } from '#shared/telemetry'
import type { PathNormalization } from './authz/index.ts'

/** What is given; `undefined` = not given. Times are in ms, sizes in bytes. */
interface GivenSettings {
  readonly xdsAddress: string
  readonly xdsRootCa: string | undefined
  readonly caAddress: string
  readonly caRootCa: string | undefined
  readonly authToken: string | undefined
  readonly podName: string
  readonly podNamespace: string
  readonly serviceAccount: string
  readonly instanceIp: IpAddress
  readonly nodeName: string
  readonly trustDomain: string
  readonly clusterDomain: string
  readonly clusterId: string
  readonly network: string
  readonly workloadName: string
  readonly gateway: string
  readonly secretTtlMs: number
  readonly crlPath: string | undefined
  readonly workerCount: number
  readonly hbonePort: number
  readonly statsPort: number
  readonly readinessPort: number
  readonly adminPort: number
  readonly isIpv6Enabled: boolean
  readonly pathNormalization: PathNormalization
  readonly trustedProxies: number
  readonly maxHeaderBytes: number
  readonly maxHeaderFields: number
  readonly headerTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly retryBufferBytes: number
  readonly accessLog: 'text' | 'json' | 'off'
  readonly metricsProfile: 'full' | 'lean'
  readonly tracing: 'off' | 'otlp' | 'zipkin'
  readonly tracingUrl: string | undefined
  readonly tracingSamplingPercent: number
  readonly terminationDeadlineMs: number | undefined
  readonly terminationGracePeriodSeconds: number | undefined
  readonly logFilter: string
  readonly logFormat: LogFormat
}

export interface WaypointConfig extends GivenSettings {
  /** Whom this waypoint is to its peers. */
  readonly identity: SpiffeId
}

const ISTIOD = 'https://istiod.istio-system.svc:15012'
/** More than any machine has cores for one waypoint. */
const MAX_WORKERS = 64

const flag = parsed('boolean', (given) => {
  if (given === 'true' || given === 'false') return given === 'true'
  throw new Error('must be true or false')
})

const address = parsed('IP address', (given): IpAddress => {
  const ip = parseIp(given)
  if (ip === undefined) throw new Error('must be an IP address')
  return ip
})
/** What Istio's proxies take for unknown. */
const DEFAULT_IP = '1.1.1.1' as IpAddress

const percent = parsed('percent', (given) => {
  const value = /^\d{1,3}(\.\d{1,4})?$/.test(given) ? Number(given) : Number.NaN
  if (value >= 0 && value <= 100) return value
  throw new Error('must be a number from 0 to 100')
})

/** The environment names are those that Istio gives its waypoints; own additions begin with `AMBIT_`. */
export const waypointSettings: ConfigSpec<GivenSettings> = {
  settings: {
    xdsAddress: setting(text, 'XDS_ADDRESS', ISTIOD, 'Control plane.'),
    xdsRootCa: setting(
      optionalText,
      'XDS_ROOT_CA',
      undefined,
      'Root that the control plane is verified against: a path, the word `SYSTEM`, or PEM text.',
      '`./var/run/secrets/istio/root-cert.pem`',
    ),
    caAddress: setting(text, 'CA_ADDRESS', ISTIOD, 'Certificate authority.'),
    caRootCa: setting(
      optionalText,
      'CA_ROOT_CA',
      undefined,
      'Root that the certificate authority is verified against; as `XDS_ROOT_CA`.',
      '`./var/run/secrets/istio/root-cert.pem`',
    ),
    authToken: setting(
      optionalText,
      'AUTH_TOKEN',
      undefined,
      'Token for control plane and authority: a path, read afresh for each call, or the token itself.',
      '`./var/run/secrets/tokens/istio-token` if it is there at the start, else none',
    ),
    podName: setting(text, 'POD_NAME', 'waypoint', 'Part of the node id that the control plane sees.'),
    podNamespace: setting(text, 'POD_NAMESPACE', 'default', "Namespace of the waypoint's identity and of its Gateway."),
    serviceAccount: setting(text, 'SERVICE_ACCOUNT', 'default', "Service account of the waypoint's identity."),
    instanceIp: setting(
      address,
      'INSTANCE_IP',
      DEFAULT_IP,
      'Own address: by it the waypoint finds its own workload.',
      '1.1.1.1',
    ),
    nodeName: setting(text, 'NODE_NAME', '', 'Shown to the control plane; localities are compared from here.'),
    trustDomain: setting(
      text,
      'TRUST_DOMAIN',
      'cluster.local',
      "Of the waypoint's identity; peers of others are refused.",
    ),
    clusterDomain: setting(text, 'CLUSTER_DOMAIN', 'cluster.local', 'Suffix of service names.'),
    clusterId: setting(text, 'ISTIO_META_CLUSTER_ID', 'Kubernetes', 'Own cluster.'),
    network: setting(text, 'NETWORK', '', "Own network's name."),
    workloadName: setting(text, 'ISTIO_META_WORKLOAD_NAME', 'waypoint', 'Own deployment, for labels and spans.'),
    gateway: setting(text, 'AMBIT_GATEWAY', 'waypoint', 'The Gateway of `POD_NAMESPACE` that this process serves.'),
    secretTtlMs: setting(duration, 'SECRET_TTL', 86_400_000, 'Life of the certificates that are asked for.', '24h'),
    crlPath: setting(
      optionalText,
      'CRL_PATH',
      undefined,
      'Certificate revocation lists, PEM or DER, read again when the file changes.',
    ),
    workerCount: setting(
      integer(1, MAX_WORKERS),
      'AMBIT_WAYPOINT_WORKERS',
      1,
      'Processes that take connections, all on the same port; with more than one there is a supervisor beside them.',
    ),
    hbonePort: setting(integer(0, 65_535, 'port'), 'AMBIT_HBONE_PORT', 15_008, 'HBONE tunnels of clients.'),
    statsPort: setting(integer(0, 65_535, 'port'), 'AMBIT_STATS_PORT', 15_020, 'Metrics port.'),
    readinessPort: setting(integer(0, 65_535, 'port'), 'AMBIT_READINESS_PORT', 15_021, 'Readiness port.'),
    adminPort: setting(integer(0, 65_535, 'port'), 'AMBIT_ADMIN_PORT', 15_000, 'Admin port, on localhost.'),
    isIpv6Enabled: setting(flag, 'IPV6_ENABLED', true, 'Listen on `[::]` too; `false` = IPv4 only.'),
    pathNormalization: setting(
      oneOf('NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'),
      'AMBIT_PATH_NORMALIZATION',
      'BASE',
      'The form of paths that policies and routes compare and endpoints get: `BASE` = RFC 3986 and `\\` as `/`.',
    ),
    trustedProxies: setting(
      integer(0, 16),
      'AMBIT_TRUSTED_PROXIES',
      0,
      'How many of the last addresses of `x-forwarded-for` are believed; 0 = none, the peer is the client.',
    ),
    maxHeaderBytes: setting(
      integer(1024, 1_048_576),
      'AMBIT_MAX_HEADER_BYTES',
      61_440,
      'Largest head of a message, bytes.',
    ),
    maxHeaderFields: setting(integer(8, 1000), 'AMBIT_MAX_HEADER_FIELDS', 100, 'Most field lines of a message.'),
    headerTimeoutMs: setting(
      duration,
      'AMBIT_HEADER_TIMEOUT',
      60_000,
      'A head, once begun, must end within this time.',
      '60s',
    ),
    idleTimeoutMs: setting(
      duration,
      'AMBIT_IDLE_TIMEOUT',
      3_600_000,
      "A client's connection without a request is closed after this time.",
      '1h',
    ),
    retryBufferBytes: setting(
      integer(0, 16_777_216),
      'AMBIT_RETRY_BUFFER',
      65_536,
      'Of a request body that much is kept for another attempt, bytes; a longer one is sent once.',
    ),
    accessLog: setting(
      oneOf('text', 'json', 'off'),
      'AMBIT_ACCESS_LOG',
      'text',
      'A line for each request and connection on standard output, unless a Telemetry says otherwise.',
    ),
    metricsProfile: setting(
      oneOf('full', 'lean'),
      'AMBIT_METRICS',
      'full',
      'Labels of the request metrics: `full` = all of Istio’s, `lean` = fewer than ten.',
    ),
    tracing: setting(
      oneOf('off', 'otlp', 'zipkin'),
      'AMBIT_TRACING',
      'off',
      'How spans are exported: OTLP/HTTP or Zipkin v2, both as JSON.',
    ),
    tracingUrl: setting(optionalText, 'AMBIT_TRACING_URL', undefined, 'Where spans are sent.'),
    tracingSamplingPercent: setting(
      percent,
      'AMBIT_TRACING_SAMPLING',
      1,
      'Of requests that come without a decision; a Telemetry comes before it.',
    ),
    terminationDeadlineMs: setting(
      optional(duration),
      'CONNECTION_TERMINATION_DEADLINE',
      undefined,
      'How long requests may go on after SIGTERM.',
      'from the grace period, else 5s',
    ),
    terminationGracePeriodSeconds: setting(
      optional(integer(0, 1_000_000)),
      'TERMINATION_GRACE_PERIOD_SECONDS',
      undefined,
      "The pod's grace period, seconds: 5 s of it are kept back (1 s when it is 10 s or less).",
    ),
    logFilter: setting(text, 'RUST_LOG', 'info', 'Log levels: `info`, or `info,xds=debug`.'),
    logFormat: setting(oneOf('plain', 'json'), 'LOG_FORMAT', 'plain', 'Form of log lines.'),
  },
}

/** @throws ConfigError with every problem, `Error` when the settings make no identity */
export function readWaypointConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): WaypointConfig {
  const given = readConfig(waypointSettings, env, argv)
  const named = `spiffe://${given.trustDomain}/ns/${given.podNamespace}/sa/${given.serviceAccount}`
  const identity = parseSpiffeId(named)
  if (identity === undefined) {
    throw new Error(`TRUST_DOMAIN, POD_NAMESPACE and SERVICE_ACCOUNT make no identity: ${JSON.stringify(named)}`)
  }
  if (given.tracing !== 'off' && given.tracingUrl === undefined) {
    throw new Error(`AMBIT_TRACING=${given.tracing} needs AMBIT_TRACING_URL`)
  }
  return Object.freeze({ ...given, identity })
}
