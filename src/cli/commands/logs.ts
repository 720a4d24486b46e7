import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { MeshStatus, ProgramStatus } from '#shared/control'
import { MeshError } from '#shared/errors'
import { ControlClient, showFile } from '../client/index.ts'
import { showLog } from '../cluster/index.ts'
import { withNamespaceFlag, withTargetFlags } from '../flags/index.ts'
import { type LogFlags, logOrder, withLogFlags } from '../kubectl/index.ts'
import { withTarget } from '../target/index.ts'
import { type ClusterFlags, DEFAULT_STATE, type Installation, targetOf } from './options.ts'

interface LogsFlags extends ClusterFlags, LogFlags {
  readonly node?: string
}

const PROGRAMS = ['istiod-lite', 'node-agent', 'ztunnel', 'supervisor']
/** Flags that only the log of a pod knows. */
const POD_FLAGS = ['previous', 'timestamps', 'tail', 'since'] as const

export function addLogs(program: Command, installation: Installation): void {
  withLogFlags(withTargetFlags(withNamespaceFlag(program.command('logs'))))
    .description(`show the log of a pod, or of a program of the mesh on this machine (${PROGRAMS.join(', ')})`)
    .argument('<name>', 'pod, or program')
    .option('--node <name>', 'node of the program')
    .action((name: string, flags: LogsFlags) => logs(name, flags, installation))
}

async function logs(name: string, flags: LogsFlags, installation: Installation): Promise<void> {
  if (PROGRAMS.includes(name) && flags.namespace === undefined && flags.kubeconfig === undefined) {
    const given = POD_FLAGS.find((flag) => flags[flag] !== undefined)
    if (given !== undefined)
      throw new MeshError('COMMAND_FAILED', `--${given} is for pods; the log of ${name} is shown whole`)
    return showFile(await fileOf(name, flags, installation), flags.follow === true, installation.terminal)
  }
  const target = targetOf(installation, flags)
  await withTarget(target, flags.namespace, async ({ connection, namespace }) => {
    await showLog(connection, logOrder({ namespace, name }, flags), installation.terminal)
  })
}

/** The supervisor's own log can be read without it, too: it says why a mesh did not come up. */
async function fileOf(name: string, { state, node }: LogsFlags, { terminal }: Installation): Promise<string> {
  const stateDir = resolve(terminal.cwd, state ?? DEFAULT_STATE)
  const own = join(stateDir, 'logs', 'supervisor.log')
  if (name === 'supervisor' && existsSync(own)) return own
  const { programs } = await new ControlClient(stateDir).status()
  return programLog(programs, name, node)
}

function programLog(programs: MeshStatus['programs'], name: string, node: string | undefined): string {
  const isMeant = (each: ProgramStatus): boolean => each.name === name && (node === undefined || each.node === node)
  const found = programs.find(isMeant)
  if (found !== undefined) return found.log
  throw new MeshError('NOT_FOUND', `there is no program ${name} on that node; "ambit status" lists them`)
}
