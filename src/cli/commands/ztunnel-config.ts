import { type Command, Option } from 'commander'
import { MeshError } from '#shared/errors'
import { ControlClient } from '../client/index.ts'
import { type ConfigDump, type ConfigKind, configTable, configValues, KINDS } from '../print/index.ts'
import { stateOf, withState } from './options.ts'

interface ZtunnelConfigOptions {
  readonly state: string
  readonly node?: string
  readonly output?: 'json'
}

export function addZtunnelConfig(program: Command): void {
  const group = program.command('ztunnel-config').alias('zc').description('show what the tunnels know')
  for (const kind of KINDS) {
    withState(group.command(kind).alias(kind.replace(/ies$/, 'y').replace(/s$/, '')))
      .description(`${kind} of one node's tunnel, or of all`)
      .option('--node <name>', 'only this node')
      .addOption(new Option('-o, --output <format>', 'as JSON').choices(['json']))
      .action((options: ZtunnelConfigOptions) => show(kind, options))
  }
}

async function show(kind: ConfigKind, options: ZtunnelConfigOptions): Promise<void> {
  const client = new ControlClient(stateOf(options))
  const nodes = (await client.status()).nodes.map(({ name }) => name)
  const { node } = options
  if (node !== undefined && !nodes.includes(node))
    throw new MeshError('NOT_FOUND', `there is no node ${node}, only ${nodes.join(', ')}`)
  // Each tunnel has all workloads, services and policies, but only its own certificates and connections.
  const isTheSameOnAll = kind === 'workloads' || kind === 'services' || kind === 'policies'
  const asked = node !== undefined ? [node] : isTheSameOnAll ? nodes.slice(0, 1) : nodes
  const dumps = await Promise.all(
    asked.map(async (each) => JSON.parse(await client.tunnelPage(each, '/config_dump')) as ConfigDump),
  )
  const text =
    options.output === 'json' ? `${JSON.stringify(configValues(kind, dumps), null, 2)}\n` : configTable(kind, dumps)
  process.stdout.write(text)
}
