import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import type { Command, Tools } from '../host/index.ts'

/** What the user adds to a program's environment: `--env ztunnel:SECRET_TTL=20s`. */
export interface ExtraEnv {
  readonly program: ProgramName
  readonly name: string
  readonly value: string
}

export const PROGRAMS = ['istiod-lite', 'node-agent', 'ztunnel'] as const
export type ProgramName = (typeof PROGRAMS)[number]

/** The same for every program of the mesh. */
export interface ProgramPlace {
  readonly tools: Tools
  /** `dist/`, with one folder per program. */
  readonly distDir: string
  readonly stateDir: string
  readonly extraEnv: readonly ExtraEnv[]
  /** Whether the kernel has it. */
  readonly isIpv6Enabled: boolean
}

export interface IstiodPlace {
  /** Addresses of the fabric, where the nodes reach it. */
  readonly addresses: readonly string[]
  readonly kubeconfig: string
}

export interface NodePlace {
  readonly node: string
  readonly netnsPath: string
  /** Folder of this node's sockets. */
  readonly runDir: string
  readonly kubeconfig: string
  readonly netnsDir: string
  readonly controlPlane: string
  readonly rootCertFile: string
  readonly tokenFile: string
  /** Names the servers that the tunnel forwards its pods' DNS queries to. */
  readonly resolvConf: string
  readonly pod: { readonly name: string; readonly namespace: string; readonly serviceAccount: string }
  readonly instanceIp: string
}

/** The control plane's port, as Istio's. */
export const CONTROL_PLANE_PORT = 15_012
/** Where the control plane answers the API server, as Istio's. */
const WEBHOOK_PORT = 15_017
/** Where istiod-lite puts the root that the nodes verify it against. */
export function rootCertFile(stateDir: string): string {
  return join(stateDir, 'istiod', 'root-cert.pem')
}

/**
 * A tunnel's heap grows only with its pods, and a small young generation keeps it in the cache; helpers of the collector
 * on other threads cost more than they find to do there (bench/NOTES.md). One malloc arena keeps buffers from spreading
 * over several (decisions.md, memory).
 */
const TUNNEL_FLAGS = ['--max-semi-space-size=1', '--single-threaded-gc', '--max-old-space-size=64']

/**
 * Most of what a control plane makes lives for the time of one push; a large young generation only spreads it over more
 * memory (2,000 workloads: 140 instead of 200 MiB, and less time in the collector).
 */
const ISTIOD_FLAGS = ['--max-semi-space-size=1']

export function istiodCommand(place: ProgramPlace, istiod: IstiodPlace): Command {
  const [address = ''] = istiod.addresses
  const host = isIPv6(address) ? `[${address}]` : address
  return programCommand(place, 'istiod-lite', ISTIOD_FLAGS, {
    MALLOC_ARENA_MAX: '1',
    KUBECONFIG: istiod.kubeconfig,
    AMBIT_STATE_DIR: join(place.stateDir, 'istiod'),
    // Of this mesh, and not of whatever else this machine has.
    AMBIT_CACERTS_DIR: join(place.stateDir, 'istiod', 'cacerts'),
    AMBIT_ISTIOD_ADDRESSES: istiod.addresses.join(','),
    AMBIT_ADMISSION_URL: `https://${host}:${WEBHOOK_PORT}`,
  })
}

export function nodeAgentCommand(place: ProgramPlace, node: NodePlace): Command {
  return inNode(
    place,
    node,
    programCommand(place, 'node-agent', [], {
      NODE_NAME: node.node,
      INPOD_UDS: zdsSocket(node),
      KUBECONFIG: node.kubeconfig,
      AMBIT_NETNS_DIR: node.netnsDir,
    }),
  )
}

export function ztunnelCommand(place: ProgramPlace, node: NodePlace): Command {
  return inNode(
    place,
    node,
    programCommand(place, 'ztunnel', TUNNEL_FLAGS, {
      MALLOC_ARENA_MAX: '1',
      XDS_ADDRESS: node.controlPlane,
      CA_ADDRESS: node.controlPlane,
      XDS_ROOT_CA: node.rootCertFile,
      CA_ROOT_CA: node.rootCertFile,
      AUTH_TOKEN: node.tokenFile,
      NODE_NAME: node.node,
      POD_NAME: node.pod.name,
      POD_NAMESPACE: node.pod.namespace,
      INSTANCE_IP: node.instanceIp,
      INPOD_UDS: zdsSocket(node),
      CLUSTER_ID: 'Kubernetes',
      AMBIT_RESOLV_CONF: node.resolvConf,
    }),
  )
}

function zdsSocket({ runDir }: NodePlace): string {
  return join(runDir, 'ztunnel.sock')
}

function programCommand(
  { distDir, extraEnv, isIpv6Enabled }: ProgramPlace,
  name: ProgramName,
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): Command {
  const extra = extraEnv.filter((each) => each.program === name).map((each) => [each.name, each.value])
  return {
    file: process.execPath,
    args: [...flags, join(distDir, name, 'main.js')],
    env: { ...env, IPV6_ENABLED: String(isIpv6Enabled), ...Object.fromEntries(extra) },
  }
}

function inNode({ tools }: ProgramPlace, { netnsPath }: NodePlace, command: Command): Command {
  return { ...command, file: tools.nsenter, args: [`--net=${netnsPath}`, '--', command.file, ...command.args] }
}
