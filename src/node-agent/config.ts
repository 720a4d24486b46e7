import {
  boolean,
  ConfigError,
  type ConfigSpec,
  duration,
  integer,
  oneOf,
  parsed,
  readConfig,
  required,
  setting,
  text,
} from '#shared/config'
import { decideOrigin, type ObjectOrigin, type OriginSettings, originSettings } from '#shared/k8s'
import type { LogFormat } from '#shared/telemetry'

/** Settings of the node agent. Times are in ms. */
export interface NodeAgentConfig extends OriginSettings {
  readonly nodeName: string
  readonly inpodUds: string
  readonly netnsDir: string
  readonly excludedNamespaces: string
  readonly isDnsCaptured: boolean
  readonly verifyIntervalMs: number
  readonly netnsTimeoutMs: number
  readonly healthPort: number
  readonly adminPort: number
  readonly isIpv6Enabled: boolean
  readonly logFilter: string
  readonly logFormat: LogFormat
}

const notEmpty = parsed('text', (given) => {
  if (given === '') throw new Error('must not be empty')
  return given
})

/** Names without `AMBIT_` are Istio's. */
export const nodeAgentSettings: ConfigSpec<NodeAgentConfig> = {
  settings: {
    nodeName: required(notEmpty, 'NODE_NAME', 'Node whose pods are captured: `spec.nodeName` of a pod.'),
    inpodUds: setting(
      text,
      'INPOD_UDS',
      '/var/run/ztunnel/ztunnel.sock',
      'Socket on which tunnels are told about pods; made here.',
    ),
    ...originSettings,
    netnsDir: required(
      notEmpty,
      'AMBIT_NETNS_DIR',
      'Folder where `<pod uid>` is the network namespace of a pod, or a symlink to it, as long as it has one.',
    ),
    excludedNamespaces: setting(
      text,
      'EXCLUDE_NAMESPACES',
      'kube-system',
      'Namespaces whose pods are never captured, separated by commas.',
    ),
    isDnsCaptured: setting(
      boolean,
      'AMBIT_DNS_CAPTURE',
      false,
      'Redirect DNS queries to the tunnel; only for a tunnel that answers them. A pod can say otherwise by annotation.',
    ),
    verifyIntervalMs: setting(
      duration,
      'AMBIT_VERIFY_INTERVAL',
      30_000,
      "How often a captured pod's redirect is read back, and repaired.",
      '30s',
    ),
    netnsTimeoutMs: setting(
      duration,
      'AMBIT_NETNS_TIMEOUT',
      30_000,
      'How long a pod may be without network namespace before that is an error; it is still waited for.',
      '30s',
    ),
    healthPort: setting(
      integer(0, 65_535, 'port'),
      'AMBIT_AGENT_HEALTH_PORT',
      15_022,
      'Readiness and metrics, on every address.',
    ),
    adminPort: setting(
      integer(0, 65_535, 'port'),
      'AMBIT_AGENT_ADMIN_PORT',
      15_023,
      'Pods, settings and log levels, on localhost.',
    ),
    isIpv6Enabled: setting(
      boolean,
      'IPV6_ENABLED',
      true,
      'Own ports listen on IPv6, too; pods are always captured in both families.',
    ),
    logFilter: setting(text, 'RUST_LOG', 'info', 'Log levels: `info`, or `info,zds=debug`.'),
    logFormat: setting(oneOf('plain', 'json'), 'LOG_FORMAT', 'plain', 'Form of log lines.'),
  },
}

/** @throws MeshError `CONFIG_INVALID` with every problem at once */
export function readNodeAgentConfig(
  env: Readonly<Record<string, string | undefined>>,
  argv: readonly string[],
): NodeAgentConfig {
  const config = readConfig(nodeAgentSettings, env, argv)
  originOf(config)
  return config
}

/** @throws ConfigError when settings name no place for objects, or two */
export function originOf(config: OriginSettings): ObjectOrigin {
  const origin = decideOrigin(config)
  if (origin.kind === 'undecided') throw new ConfigError([origin.problem])
  return origin
}
