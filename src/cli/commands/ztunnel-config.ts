import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { MeshError, reasonOf } from '#shared/errors'
import { ControlClient } from '../client/index.ts'
import { MESH_NAMESPACE, meshPods, podCalled, podPage } from '../cluster/index.ts'
import { choice, withOutputFlag, withTargetFlags } from '../flags/index.ts'
import {
  type ConfigDump,
  type ConfigFilter,
  type ConfigKind,
  configTable,
  configValues,
  type DocumentFormat,
  documentText,
  filterDump,
  KINDS,
  readConfigDump,
} from '../print/index.ts'
import { type Target, withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface ZtunnelConfigFlags extends ClusterFlags, ConfigFilter {
  readonly node?: string
  readonly file?: string
  readonly output?: DocumentFormat
}

const ADMIN_PORT = 15_000
const DUMP = '/config_dump'
const ZTUNNEL_LABEL = 'app=ztunnel'

/** Flags that narrow a kind down, as istioctl has them. */
const FILTERS: Readonly<Record<ConfigKind, readonly (keyof typeof FILTER_FLAGS)[]>> = {
  workloads: ['workloadNamespace', 'workloadNode', 'address'],
  services: ['serviceNamespace'],
  policies: ['policyNamespace'],
  certificates: [],
  connections: ['workloadNamespace', 'direction'],
}
const FILTER_FLAGS = {
  workloadNamespace: ['--workload-namespace <name>', 'only workloads of this namespace'],
  workloadNode: ['--workload-node <name>', 'only workloads on this node'],
  address: ['--address <ip>', 'only the workload with this address'],
  serviceNamespace: ['--service-namespace <name>', 'only services of this namespace'],
  policyNamespace: ['--policy-namespace <name>', 'only policies of this namespace'],
  direction: ['--direction <which>', 'only connections of this direction'],
} as const

export function addZtunnelConfig(program: Command, installation: Installation): void {
  const group = program.command('ztunnel-config').alias('zc').description('show what the tunnels know')
  for (const kind of [...KINDS, 'all'] as const) {
    const command = group.command(kind)
    if (kind !== 'all') command.alias(kind.replace(/ies$/, 'y').replace(/s$/, ''))
    withOutputFlag(withTargetFlags(command))
      .description(`${kind === 'all' ? 'everything' : kind} of one node's tunnel, or of all`)
      .argument('[pod-or-node]', 'only this tunnel')
      .option('--node <name>', 'only the tunnel of this node')
      .option('-n, --namespace <name>', 'where the tunnels of a cluster are', MESH_NAMESPACE)
      .option('-f, --file <path>', 'a dump that was saved, instead of a running tunnel')
      .action((name: string | undefined, flags: ZtunnelConfigFlags) => show(kind, name, flags, installation))
    const filters = kind === 'all' ? Object.values(FILTERS).flat() : FILTERS[kind]
    for (const filter of new Set(filters)) {
      const [usage, description] = FILTER_FLAGS[filter]
      if (filter === 'direction') command.addOption(choice(usage, description, ['inbound', 'outbound']))
      else command.option(usage, description)
    }
  }
}

async function show(
  kind: ConfigKind | 'all',
  name: string | undefined,
  flags: ZtunnelConfigFlags,
  installation: Installation,
): Promise<void> {
  const { terminal } = installation
  const { file, node = name, output } = flags
  const isOne = isTheSameOnAll(kind)
  const dumps =
    file === undefined
      ? await askTunnels(targetOf(installation, flags), flags.namespace ?? MESH_NAMESPACE, node, isOne)
      : [readConfigDump(textOf(resolve(terminal.cwd, file)))]
  const shown = dumps.map((dump) => filterDump(dump, flags))
  if (output !== undefined) {
    terminal.stdout.write(documentText(output, kind === 'all' ? shown : configValues(kind, shown)))
    return
  }
  const tables =
    kind === 'all' ? KINDS.map((each) => configTable(each, onceEach(each, shown))) : [configTable(kind, shown)]
  terminal.stdout.write(tables.join('\n'))
}

/** Each tunnel has all workloads, services and policies, but only its own certificates and connections. */
function isTheSameOnAll(kind: ConfigKind | 'all'): boolean {
  return kind === 'workloads' || kind === 'services' || kind === 'policies'
}

function onceEach(kind: ConfigKind, dumps: readonly ConfigDump[]): readonly ConfigDump[] {
  return isTheSameOnAll(kind) ? dumps.slice(0, 1) : dumps
}

/** @param isOne the first tunnel stands for all when none is named */
async function askTunnels(
  target: Target,
  meshNamespace: string,
  called: string | undefined,
  isOne: boolean,
): Promise<readonly ConfigDump[]> {
  const { stateDir } = target
  const chosen = <T>(all: readonly T[]): readonly T[] => (isOne ? all.slice(0, 1) : all)
  if (stateDir !== undefined) {
    const client = new ControlClient(stateDir)
    const nodes = (await client.status()).nodes.map(({ name }) => name)
    const asked = called === undefined ? chosen(nodes) : [nodeCalled(nodes, called)]
    return Promise.all(asked.map(async (node) => readConfigDump(await client.tunnelPage(node, DUMP))))
  }
  return withTarget(target, meshNamespace, async ({ connection, namespace }) => {
    const pods = await meshPods(connection, namespace, ZTUNNEL_LABEL)
    if (pods.length === 0)
      throw new MeshError('NOT_FOUND', `no pod with the label ${ZTUNNEL_LABEL} runs in ${namespace}; see "ambit check"`)
    const asked = called === undefined ? chosen(pods) : [podCalled(pods, called)]
    return Promise.all(asked.map(async ({ id }) => readConfigDump(await podPage(connection, id, ADMIN_PORT, DUMP))))
  })
}

/** A node, or the tunnel's pod on it. */
function nodeCalled(nodes: readonly string[], called: string): string {
  const name = called.replace(/^pods?\//, '')
  const found = nodes.find((node) => [node, `ztunnel-${node}`, `ztunnel-${node}.${MESH_NAMESPACE}`].includes(name))
  if (found !== undefined) return found
  throw new MeshError('NOT_FOUND', `there is no node ${called}, only ${nodes.join(', ')}`)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MeshError('NOT_FOUND', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}
