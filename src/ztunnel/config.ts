import {
  boolean,
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
import type { LogFormat } from '#shared/telemetry'
import { dnsSettings, type GivenDnsSettings, isDnsCaptured } from './dns-settings.ts'
import { type Http2Settings, http2Settings } from './http2-settings.ts'
import { NO_PROXY_CONFIG, type ProxyConfig, readProxyConfig } from './proxy-config.ts'
import { refusedSettings } from './refused-settings.ts'

/** What is given; `undefined` = not given. Times are in ms, sizes in bytes. */
interface GivenSettings extends GivenDnsSettings, Http2Settings {
  readonly xdsAddress: string | undefined
  readonly xdsRootCa: string | undefined
  readonly altXdsHostname: string | undefined
  readonly xdsOnDemand: boolean
  readonly caAddress: string | undefined
  readonly caRootCa: string | undefined
  readonly altCaHostname: string | undefined
  readonly authToken: string | undefined
  readonly xdsHeaders: Readonly<Record<string, string>>
  readonly caHeaders: Readonly<Record<string, string>>
  readonly nodeMetadata: Readonly<Record<string, string>>
  readonly nodeMetadataJson: Readonly<Record<string, string>>
  readonly kubernetesHost: string | undefined
  readonly proxyConfig: ProxyConfig
  readonly localXdsPath: string | undefined
  readonly localXds: string | undefined
  readonly secretTtlMs: number
  readonly clusterId: string
  readonly network: string
  readonly nodeName: string | undefined
  readonly podName: string
  readonly podNamespace: string
  readonly instanceIp: string
  readonly istioVersion: string
  readonly inpodUds: string
  readonly isPortShared: boolean
  readonly packetMark: number
  readonly sourceKeeping: 'always' | 'if-possible' | 'never'
  readonly isIpv6Enabled: boolean
  readonly poolMaxStreamsPerConnection: number
  readonly poolUnusedReleaseTimeoutMs: number
  readonly isKeepAliveEnabled: boolean
  readonly keepAliveTimeMs: number
  readonly keepAliveIntervalMs: number
  readonly keepAliveRetries: number
  readonly isAppTunnelOnLoopback: boolean
  readonly connectRetries: number
  readonly loadBalancing: 'random' | 'least-request'
  readonly halfOpenTimeoutMs: number
  readonly crlPath: string | undefined
  readonly isTls12Enabled: boolean
  readonly compliancePolicy: 'pqc' | undefined
  readonly isResponseBaggageEnabled: boolean
  readonly terminationDeadlineMs: number | undefined
  readonly terminationGracePeriodSeconds: number | undefined
  readonly logFilter: string
  readonly logFormat: LogFormat
  readonly isPolicyLoggedAtInfo: boolean
  readonly unknownPolicy: 'open' | 'closed'
  readonly metricsProfile: 'full' | 'lean'
  readonly workerCount: number
  readonly sameNode: 'direct' | 'tunnel'
  readonly adminPort: number | undefined
  readonly statsPort: number | undefined
  readonly readinessPort: number
}

/** Settings of the tunnel, every default filled in. */
export interface ZtunnelConfig
  extends Omit<GivenSettings, 'xdsAddress' | 'caAddress' | 'isDnsCaptured' | 'adminPort' | 'statsPort'> {
  /** Undefined = no control plane: `XDS_ADDRESS` is set and empty. */
  readonly xdsAddress: string | undefined
  readonly caAddress: string
  readonly isDnsCaptured: boolean
  readonly adminPort: number
  readonly statsPort: number
}

const ISTIOD = 'https://istiod.istio-system.svc:15012'
const LOCAL_ISTIOD = 'https://localhost:15012'
const ADMIN_PORT = 15_000
const STATS_PORT = 15_020

/** More than any node has cores for one tunnel. */
const MAX_WORKERS = 64

const ownPort = optional(integer(0, 65_535, 'port'))

/** `true` = `always`, `false` = `never`, as Istio's ENABLE_ORIG_SRC; unset = as far as the kernel lets us. */
const sourceKeeping = parsed<GivenSettings['sourceKeeping']>('boolean', (given) => {
  if (given === 'true') return 'always'
  if (given === 'false') return 'never'
  throw new Error('must be true or false')
})

/** The environment names are those of Istio's ztunnel (hbone-and-ztunnel a.5); own additions begin with `AMBIT_`. */
export const ztunnelSettings: ConfigSpec<GivenSettings> = {
  settings: {
    xdsAddress: setting(
      parsed<string | undefined>('URL', (given) => given),
      'XDS_ADDRESS',
      undefined,
      'Control plane; `https://` is put in front of a bare host. Empty = none, the mesh is what `LOCAL_XDS_PATH` says.',
      `\`discoveryAddress\` of \`PROXY_CONFIG\`, else \`${ISTIOD}\` in a cluster, else \`${LOCAL_ISTIOD}\``,
    ),
    xdsRootCa: setting(
      optionalText,
      'XDS_ROOT_CA',
      undefined,
      'Root that the control plane is verified against: a path, the word `SYSTEM`, or PEM text.',
      '`./var/run/secrets/istio/root-cert.pem`',
    ),
    altXdsHostname: setting(
      optionalText,
      'ALT_XDS_HOSTNAME',
      undefined,
      "Accepted beside the host name of the control plane's address.",
    ),
    xdsOnDemand: setting(
      boolean,
      'XDS_ON_DEMAND',
      false,
      'Receive the pods of this node only, and ask for a destination when a connection needs it.',
    ),
    caAddress: setting(
      optionalText,
      'CA_ADDRESS',
      undefined,
      'Certificate authority.',
      `\`${ISTIOD}\` in a cluster, else \`${LOCAL_ISTIOD}\``,
    ),
    caRootCa: setting(
      optionalText,
      'CA_ROOT_CA',
      undefined,
      'Root that the certificate authority is verified against; as `XDS_ROOT_CA`.',
      '`./var/run/secrets/istio/root-cert.pem`',
    ),
    altCaHostname: setting(
      optionalText,
      'ALT_CA_HOSTNAME',
      undefined,
      "Accepted beside the host name of the certificate authority's address.",
    ),
    authToken: setting(
      optionalText,
      'AUTH_TOKEN',
      undefined,
      'Token for control plane and authority: a path, read afresh for each call, or the token itself.',
      '`./var/run/secrets/tokens/istio-token` if it is there at the start, else none',
    ),
    xdsHeaders: { prefix: 'XDS_HEADER_', doc: 'Extra headers of each call to the control plane.' },
    caHeaders: { prefix: 'CA_HEADER_', doc: 'Extra headers of each call to the certificate authority.' },
    nodeMetadata: { prefix: 'ISTIO_META_', doc: 'Entries of the node metadata, as text.' },
    nodeMetadataJson: { prefix: 'ISTIO_METAJSON_', doc: 'Entries of the node metadata, as JSON.' },
    kubernetesHost: setting(
      optionalText,
      'KUBERNETES_SERVICE_HOST',
      undefined,
      'Set by Kubernetes; decides where the control plane is looked for.',
    ),
    proxyConfig: setting(
      parsed('YAML', readProxyConfig),
      'PROXY_CONFIG',
      NO_PROXY_CONFIG,
      "Istio's ProxyConfig: `discoveryAddress`, `proxyAdminPort`, `statsPort`, `proxyMetadata`.",
      'empty',
    ),
    localXdsPath: setting(
      optionalText,
      'LOCAL_XDS_PATH',
      undefined,
      'YAML file with workloads, services and policies, read once at the start, beside the control plane.',
    ),
    localXds: setting(optionalText, 'LOCAL_XDS', undefined, 'The same as text; not both.'),
    secretTtlMs: setting(duration, 'SECRET_TTL', 86_400_000, 'Life of the certificates that are asked for.', '24h'),
    clusterId: setting(text, ['ISTIO_META_CLUSTER_ID', 'CLUSTER_ID'], 'Kubernetes', 'Own cluster.'),
    network: setting(text, 'NETWORK', '', "Own network's name."),
    nodeName: setting(
      optionalText,
      'NODE_NAME',
      undefined,
      'Which workloads are local: only they are found for a pod. Unset = all, and no certificate is fetched ahead.',
    ),
    podName: setting(text, 'POD_NAME', '', 'Part of the node id that the control plane sees.'),
    podNamespace: setting(text, 'POD_NAMESPACE', '', 'Part of the node id that the control plane sees.'),
    instanceIp: setting(text, 'INSTANCE_IP', '1.1.1.1', 'Part of the node id that the control plane sees.'),
    istioVersion: setting(text, 'ISTIO_META_ISTIO_VERSION', 'unknown', 'Shown as `tag` of `istio_build`.'),
    inpodUds: setting(
      text,
      'INPOD_UDS',
      '/var/run/ztunnel/ztunnel.sock',
      'Socket on which the node agent hands over pods.',
    ),
    isPortShared: setting(
      boolean,
      'INPOD_PORT_REUSE',
      true,
      'Listen with SO_REUSEPORT, so that the next tunnel can take over.',
    ),
    packetMark: setting(
      integer(0, 0xffff_ffff),
      'PACKET_MARK',
      0x539,
      "SO_MARK of the tunnel's sockets, by which the redirect knows them; 0 = none.",
      '1337',
    ),
    sourceKeeping: setting(
      sourceKeeping,
      'ENABLE_ORIG_SRC',
      'if-possible',
      "Whether applications see the client's address: `true` = or the connection fails, `false` = never, unset = if possible.",
      'unset',
    ),
    isIpv6Enabled: setting(boolean, 'IPV6_ENABLED', true, 'Listen on `[::]` too; `false` = IPv4 only.'),
    ...dnsSettings,
    poolMaxStreamsPerConnection: setting(
      integer(1, 1_000_000),
      'POOL_MAX_STREAMS_PER_CONNECTION',
      100,
      'Streams that one pooled tunnel carries before the next is dialled.',
    ),
    poolUnusedReleaseTimeoutMs: setting(
      duration,
      'POOL_UNUSED_RELEASE_TIMEOUT',
      300_000,
      'A tunnel that no new stream used for this long leaves the pool.',
      '5m',
    ),
    ...http2Settings,
    isKeepAliveEnabled: setting(boolean, 'KEEPALIVE_ENABLED', true, 'TCP keepalive on captured and dialled sockets.'),
    keepAliveTimeMs: setting(duration, 'KEEPALIVE_TIME', 180_000, 'Silence before the first keepalive probe.', '180s'),
    keepAliveIntervalMs: setting(duration, 'KEEPALIVE_INTERVAL', 180_000, 'Time between keepalive probes.', '180s'),
    keepAliveRetries: setting(
      integer(1, 127),
      'KEEPALIVE_RETRIES',
      9,
      'Probes without an answer after which a connection is lost.',
    ),
    isAppTunnelOnLoopback: setting(
      boolean,
      'LOCALHOST_APP_TUNNEL',
      true,
      'Applications that take the PROXY protocol are dialled on loopback.',
    ),
    connectRetries: setting(
      integer(0, 5),
      'AMBIT_CONNECT_RETRIES',
      2,
      'Further endpoints of a service that are tried when one cannot be reached; 0 = like Istio, nothing is tried again.',
    ),
    loadBalancing: setting(
      oneOf('random', 'least-request'),
      'AMBIT_LB',
      'random',
      'Which of several equally good endpoints: `random` by weight, like Istio, or the less busy of two drawn ones.',
    ),
    halfOpenTimeoutMs: setting(
      duration,
      'AMBIT_HALF_OPEN_TIMEOUT',
      0,
      'A tunnelled connection of which one side has ended, and the other is silent for this long, is ended; 0 = never.',
      '0s',
    ),
    crlPath: setting(
      optionalText,
      'CRL_PATH',
      undefined,
      'Certificate revocation lists, PEM or DER, read again when the file changes.',
    ),
    isTls12Enabled: setting(
      parsed('boolean', (given) => given === 'true'),
      'TLS12_ENABLED',
      false,
      'TLS 1.2 is taken beside 1.3; only `true` counts.',
    ),
    compliancePolicy: setting(
      optional(oneOf('pqc')),
      'COMPLIANCE_POLICY',
      undefined,
      '`pqc`: keys are exchanged by X25519MLKEM768 only, with peers and with the control plane.',
    ),
    isResponseBaggageEnabled: setting(
      boolean,
      'ENABLE_RESPONSE_BAGGAGE',
      true,
      'Answer a CONNECT with baggage about the destination, and read that of clients outside the mesh.',
    ),
    terminationDeadlineMs: setting(
      optional(duration),
      'CONNECTION_TERMINATION_DEADLINE',
      undefined,
      'How long connections may go on after SIGTERM.',
      'from the grace period, else 5s',
    ),
    terminationGracePeriodSeconds: setting(
      optional(integer(0, 1_000_000)),
      'TERMINATION_GRACE_PERIOD_SECONDS',
      undefined,
      "The pod's grace period, seconds: 5 s of it are kept back (1 s when it is 10 s or less).",
    ),
    logFilter: setting(text, 'RUST_LOG', 'info', 'Log levels: `info`, or `info,access=debug`.'),
    logFormat: setting(oneOf('plain', 'json'), 'LOG_FORMAT', 'plain', 'Form of log lines.'),
    isPolicyLoggedAtInfo: setting(
      parsed('boolean', (given) => given === 'true'),
      'AUTHZ_POLICY_INFO_LOGGING',
      false,
      'What policies say is logged at info instead of debug; only `true` counts.',
    ),
    unknownPolicy: setting(
      oneOf('open', 'closed'),
      'AMBIT_POLICY_FAIL',
      'open',
      'A policy that a workload names but nobody has sent yet: `open` = as if absent, like Istio; `closed` = deny.',
    ),
    metricsProfile: setting(
      oneOf('full', 'lean'),
      'AMBIT_METRICS',
      'full',
      'Labels of the connection metrics: `full` = all of Istio’s, `lean` = eight of them.',
    ),
    adminPort: setting(
      ownPort,
      'AMBIT_ADMIN_PORT',
      undefined,
      'Admin port, on localhost.',
      '`proxyAdminPort`, else 15000',
    ),
    statsPort: setting(ownPort, 'AMBIT_STATS_PORT', undefined, 'Metrics port.', '`statsPort`, else 15020'),
    readinessPort: setting(integer(0, 65_535, 'port'), 'AMBIT_READINESS_PORT', 15_021, 'Readiness port.'),
    sameNode: setting(
      oneOf('direct', 'tunnel'),
      'AMBIT_SAME_NODE',
      'direct',
      'Connections between two pods of this node: `direct` = handed over inside the process after the same authorization, `tunnel` = through a tunnel like all others.',
    ),
    workerCount: setting(
      integer(1, MAX_WORKERS),
      'ZTUNNEL_WORKER_THREADS',
      1,
      'Processes that carry the pods, each pod in one of them; with more than one there is a supervisor beside them.',
    ),
  },
  refused: refusedSettings,
}

/** @throws ConfigError with every problem */
export function readZtunnelConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): ZtunnelConfig {
  const given = readConfig(ztunnelSettings, env, argv)
  const { proxyConfig } = given
  const istiod = given.kubernetesHost === undefined ? LOCAL_ISTIOD : ISTIOD
  const xdsAddress = given.xdsAddress ?? proxyConfig.discoveryAddress ?? istiod
  return Object.freeze({
    ...given,
    isDnsCaptured: isDnsCaptured(given, proxyConfig),
    xdsAddress: xdsAddress === '' ? undefined : withScheme(xdsAddress),
    caAddress: withScheme(given.caAddress ?? istiod),
    adminPort: given.adminPort ?? proxyConfig.proxyAdminPort ?? ADMIN_PORT,
    statsPort: given.statsPort ?? proxyConfig.statsPort ?? STATS_PORT,
  })
}

function withScheme(address: string): string {
  return address.includes('://') ? address : `https://${address}`
}
