import {
  boolean,
  ConfigError,
  type ConfigSpec,
  duration,
  integer,
  type Kind,
  oneOf,
  optional,
  optionalText,
  parsed,
  readConfig,
  setting,
  text,
} from '#shared/config'
import {
  DEFAULT_EXCLUDED_NAMESPACES,
  decideOrigin,
  type ObjectOrigin,
  type OriginSettings,
  originSettings,
} from '#shared/k8s'
import { type IpAddress, parseIp } from '#shared/net'
import type { LogFormat } from '#shared/telemetry'

/** Settings of the control plane. Times are in ms. Istio's own names where Istio has them. */
export interface IstiodConfig extends OriginSettings {
  readonly stateDir: string | undefined
  readonly cacertsDir: string
  readonly caRefreshMs: number
  readonly caPropagationMs: number
  readonly clusterId: string
  readonly trustDomain: string
  readonly clusterDomain: string
  readonly rootNamespace: string
  readonly isDryRunSent: boolean
  readonly excludedNamespaces: ReadonlySet<string>
  readonly waypointImage: string
  readonly addresses: readonly IpAddress[]
  readonly grpcPort: number
  readonly httpPort: number
  readonly monitoringPort: number
  readonly monitoringBind: 'localhost' | 'all'
  readonly webhookPort: number
  readonly admission: 'off' | 'warn' | 'strict'
  readonly admissionUrl: string | undefined
  readonly leaseDurationMs: number
  readonly isIpv6Enabled: boolean
  readonly isXdsAuthRequired: boolean
  readonly tokenJwks: string | undefined
  readonly tokenIssuer: string | undefined
  readonly tokenAudience: string
  readonly trustedNodeAccounts: ReadonlySet<string>
  readonly defaultCertLifeMs: number
  readonly maxCertLifeMs: number
  readonly rootLifeMs: number
  readonly certificatesPerSecond: number
  readonly certificateBurst: number
  readonly streamsPerSecond: number
  readonly debounceQuietMs: number
  readonly debounceLongestMs: number
  readonly podName: string
  readonly isUnsafeAdminEnabled: boolean
  readonly terminationDeadlineMs: number | undefined
  readonly terminationGracePeriodSeconds: number | undefined
  readonly logFilter: string
  readonly logFormat: LogFormat
}

const listed = (given: string): readonly string[] => given.split(',').flatMap((part) => part.trim() || [])

const names = parsed('list of names', (given): ReadonlySet<string> => new Set(listed(given)))

const accounts = parsed('list of namespace/account', (given): ReadonlySet<string> => {
  const wrong = listed(given).find((account) => !/^[a-z0-9-]+\/[a-z0-9.-]+$/.test(account))
  if (wrong !== undefined) throw new Error(`holds ${JSON.stringify(wrong)}, which is no namespace/account`)
  return new Set(listed(given))
})

const ipList = parsed('list of IP addresses', (given): readonly IpAddress[] =>
  listed(given).map((address) => {
    const ip = parseIp(address)
    if (ip === undefined) throw new Error(`holds ${JSON.stringify(address)}, which is no IP address`)
    return ip
  }),
)

const httpsOrigin = parsed('https://host:port', (given): string => {
  const url = URL.parse(given)
  if (url?.protocol !== 'https:' || url.href !== `${url.origin}/`) throw new Error('is no https://host:port')
  return url.origin
})

/** The shortest one leaves 200 ms for what a machine under load may be late. */
const MIN_LEASE_MS = 3_000

const leaseDuration: Kind<number> = {
  name: duration.name,
  read(given) {
    const reading = duration.read(given)
    if (reading.kind === 'problem' || reading.value >= MIN_LEASE_MS) return reading
    return { kind: 'problem', reason: `must be ${MIN_LEASE_MS / 1000}s at least` }
  },
}

/** 0 = any free port. */
const listenPort = integer(0, 65_535, 'port')

export const istiodSettings: ConfigSpec<IstiodConfig> = {
  settings: {
    ...originSettings,
    stateDir: setting(
      optionalText,
      'AMBIT_STATE_DIR',
      undefined,
      'Folder in which the roots are written down for programs beside this one; without a cluster the CA itself is kept there, so that it must be set. Made with mode 0700 when missing.',
    ),
    cacertsDir: setting(
      text,
      'AMBIT_CACERTS_DIR',
      '/etc/cacerts',
      'Folder of a CA that is plugged in, as a mounted Secret; beats the Secret `cacerts`.',
    ),
    caRefreshMs: setting(
      duration,
      'AMBIT_CA_REFRESH',
      5_000,
      "How often the CA's own Secret, and what is plugged in, are looked at.",
      '5s',
    ),
    caPropagationMs: setting(
      duration,
      'AMBIT_CA_PROPAGATION',
      120_000,
      'How long a changed root takes at most to the files of those who connect: what a rotation waits for at least, twice.',
      '2m',
    ),
    clusterId: setting(text, 'CLUSTER_ID', 'Kubernetes', 'First part of the uid of every workload.'),
    trustDomain: setting(text, 'TRUST_DOMAIN', 'cluster.local', 'First part of every identity.'),
    clusterDomain: setting(text, 'CLUSTER_DOMAIN', 'cluster.local', 'Last part of the host names of services.'),
    rootNamespace: setting(
      text,
      'AMBIT_ROOT_NAMESPACE',
      'istio-system',
      'Namespace whose policies hold for the mesh, and in which the control plane says it runs.',
    ),
    excludedNamespaces: setting(
      names,
      'EXCLUDE_NAMESPACES',
      DEFAULT_EXCLUDED_NAMESPACES,
      'Namespaces whose pods are never enrolled.',
      [...DEFAULT_EXCLUDED_NAMESPACES].join(),
    ),
    waypointImage: setting(
      text,
      'AMBIT_WAYPOINT_IMAGE',
      'ambit/waypoint',
      'Image of the waypoints that are made for Gateways.',
    ),
    addresses: setting(
      ipList,
      'AMBIT_ISTIOD_ADDRESSES',
      [],
      'Further addresses of the serving certificate, beside those of loopback.',
      'none',
    ),
    grpcPort: setting(listenPort, 'AMBIT_GRPC_PORT', 15_012, 'xDS and CSR, TLS; 0 = any free port.'),
    httpPort: setting(listenPort, 'AMBIT_HTTP_PORT', 8080, '`/ready`; 0 = any free port.'),
    monitoringPort: setting(listenPort, 'AMBIT_MONITORING_PORT', 15_014, '`/metrics` and `/debug`; 0 = any free port.'),
    monitoringBind: setting(
      oneOf('localhost', 'all'),
      'AMBIT_MONITORING_BIND',
      'localhost',
      'Who reaches metrics and dumps, which show the whole mesh.',
    ),
    webhookPort: setting(
      listenPort,
      'AMBIT_WEBHOOK_PORT',
      15_017,
      "The API server's questions about policies, TLS; 0 = any free port.",
    ),
    admission: setting(
      oneOf('off', 'warn', 'strict'),
      'AMBIT_ADMISSION',
      'warn',
      'Policies that cannot be enforced as they are written: taken silently, taken with a warning, or refused.',
    ),
    admissionUrl: setting(
      optional(httpsOrigin),
      'AMBIT_ADMISSION_URL',
      undefined,
      'Where the API server reaches the webhook: `https://host:port`; unset = port 443 of the service `istiod` in the root namespace.',
    ),
    leaseDurationMs: setting(
      leaseDuration,
      'AMBIT_LEASE_DURATION',
      15_000,
      'Of several control planes one writes to the cluster; when it dies, another does after so long. 3 s at least.',
      '15s',
    ),
    isIpv6Enabled: setting(boolean, 'IPV6_ENABLED', true, 'Listen on IPv6 too.'),
    isDryRunSent: setting(
      boolean,
      'AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY',
      false,
      'Send policies with the annotation `istio.io/dry-run`, which tunnels only tell of. Istio’s tunnels older than 1.29 would enforce them.',
    ),
    isXdsAuthRequired: setting(boolean, 'XDS_AUTH', true, 'xDS clients need a token; the CA always wants one.'),
    tokenJwks: setting(
      optionalText,
      'AMBIT_TOKEN_JWKS',
      undefined,
      'File with the JSON Web Key Set of those who may issue service-account tokens; read again when it changes. Unset, the cluster is asked (TokenReview); a folder has nobody to ask and needs it.',
    ),
    tokenIssuer: setting(
      optionalText,
      'AMBIT_TOKEN_ISSUER',
      undefined,
      'Issuer that tokens must name; unset = any whose key is in the set.',
    ),
    tokenAudience: setting(text, 'TOKEN_AUDIENCE', 'istio-ca', 'Audience that tokens must be for.'),
    trustedNodeAccounts: setting(
      accounts,
      'CA_TRUSTED_NODE_ACCOUNTS',
      new Set(['istio-system/ztunnel']),
      'Accounts of node proxies: they may ask for identities of pods on their own node.',
      'istio-system/ztunnel',
    ),
    defaultCertLifeMs: setting(
      duration,
      'DEFAULT_WORKLOAD_CERT_TTL',
      24 * 3_600_000,
      'Life of a certificate whose request names none.',
      '24h',
    ),
    maxCertLifeMs: setting(
      duration,
      'MAX_WORKLOAD_CERT_TTL',
      90 * 24 * 3_600_000,
      'Longest life; a request for more is refused.',
      '90d',
    ),
    rootLifeMs: setting(
      duration,
      'CITADEL_SELF_SIGNED_CA_CERT_TTL',
      3650 * 24 * 3_600_000,
      'Life of a root that is made here.',
      '3650d',
    ),
    certificatesPerSecond: setting(
      integer(1, 1_000_000),
      'AMBIT_CERTIFICATES_PER_SECOND',
      50,
      'Requests that one node may make in the long run.',
    ),
    certificateBurst: setting(
      integer(1, 1_000_000),
      'AMBIT_CERTIFICATE_BURST',
      500,
      'Requests that one node may make at once.',
    ),
    streamsPerSecond: setting(
      integer(1, 10_000),
      'PILOT_MAX_REQUESTS_PER_SECOND',
      100,
      'New xDS clients that are let in a second. Others wait for their turn; who would have to wait longer than 10 s is sent away.',
    ),
    debounceQuietMs: setting(
      duration,
      'PILOT_DEBOUNCE_AFTER',
      20,
      'Changes are pushed after so long without another.',
      '20ms',
    ),
    debounceLongestMs: setting(
      duration,
      'PILOT_DEBOUNCE_MAX',
      100,
      'Changes are pushed after so long even if they go on.',
      '100ms',
    ),
    podName: setting(text, 'POD_NAME', 'istiod-lite', 'What this replica calls itself towards istioctl.'),
    isUnsafeAdminEnabled: setting(
      boolean,
      'UNSAFE_ENABLE_ADMIN_ENDPOINTS',
      false,
      'Serve profiles and `POST /debug/force_disconnect` on the monitoring port, too.',
    ),
    terminationDeadlineMs: setting(
      optional(duration),
      'CONNECTION_TERMINATION_DEADLINE',
      undefined,
      'How long running calls may go on after the signal.',
      '5s',
    ),
    terminationGracePeriodSeconds: setting(
      optional(integer(0, 86_400)),
      'TERMINATION_GRACE_PERIOD_SECONDS',
      undefined,
      "The pod's grace period, from which the deadline is taken when it is not set.",
    ),
    logFilter: setting(text, 'RUST_LOG', 'info', 'Log levels: `info`, or `info,push=debug`.'),
    logFormat: setting(oneOf('plain', 'json'), 'LOG_FORMAT', 'plain', 'Form of log lines.'),
  },
}

/** @throws ConfigError with every problem */
export function readIstiodConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[] = [],
): IstiodConfig {
  const config = readConfig(istiodSettings, env, argv)
  originOf(config)
  return config
}

/** @throws ConfigError when settings name no place for objects, or two, or nobody who knows tokens */
export function originOf(config: IstiodConfig): ObjectOrigin {
  const origin = decideOrigin(config)
  if (origin.kind === 'undecided') throw new ConfigError([origin.problem])
  if (origin.kind === 'folder' && config.tokenJwks === undefined)
    throw new ConfigError([{ name: 'AMBIT_TOKEN_JWKS', value: undefined, reason: 'must be set with AMBIT_KUBE_DIR' }])
  if (origin.kind === 'folder' && config.stateDir === undefined)
    throw new ConfigError([{ name: 'AMBIT_STATE_DIR', value: undefined, reason: 'must be set with AMBIT_KUBE_DIR' }])
  return origin
}
