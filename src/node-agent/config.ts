import {
  boolean,
  ConfigError,
  type ConfigSpec,
  duration,
  integer,
  oneOf,
  optionalText,
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
  readonly netnsResolver: 'folder' | 'address' | 'cgroup'
  readonly netnsDir: string | undefined
  readonly procDir: string
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
    netnsResolver: setting(
      oneOf('folder', 'address', 'cgroup'),
      'AMBIT_NETNS_RESOLVER',
      'folder',
      "How a pod's network namespace is found: in `AMBIT_NETNS_DIR`; as the one of this machine that has the pod's address; or as that of the processes whose cgroup names the pod.",
    ),
    netnsDir: setting(
      optionalText,
      'AMBIT_NETNS_DIR',
      undefined,
      'Folder where `<pod uid>` is the network namespace of a pod, or a symlink to it, as long as it has one.',
    ),
    procDir: setting(
      notEmpty,
      'AMBIT_PROC_DIR',
      '/proc',
      "Where the processes of the node are, for `address` and `cgroup`: in a container, where the node's `/proc` is mounted.",
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
  netnsSourceOf(config)
  return config
}

/** @throws ConfigError when settings name no place for objects, or two */
export function originOf(config: OriginSettings): ObjectOrigin {
  const origin = decideOrigin(config)
  if (origin.kind === 'undecided') throw new ConfigError([origin.problem])
  return origin
}

/** Where the namespaces of pods are looked for. */
export type NetnsSource =
  | { readonly kind: 'folder'; readonly dir: string }
  | { readonly kind: 'address' | 'cgroup'; readonly procDir: string }

/** @throws ConfigError when the folder is missing, or given for nothing */
export function netnsSourceOf({ netnsResolver: kind, netnsDir: dir, procDir }: NodeAgentConfig): NetnsSource {
  const name = 'AMBIT_NETNS_DIR'
  if (kind !== 'folder') {
    if (dir === undefined) return { kind, procDir }
    throw new ConfigError([{ name, value: dir, reason: `cannot stand beside AMBIT_NETNS_RESOLVER=${kind}` }])
  }
  if (dir !== undefined) return { kind, dir }
  throw new ConfigError([{ name, value: undefined, reason: 'must be set, or AMBIT_NETNS_RESOLVER to another way' }])
}
