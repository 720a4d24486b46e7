import type { Command } from 'commander'
import { execInPod } from '../client/index.ts'
import { execThroughApi } from '../cluster/index.ts'
import { withNamespaceFlag, withTargetFlags } from '../flags/index.ts'
import { withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface ExecFlags extends ClusterFlags {
  readonly container: string
  readonly stdin: boolean
  readonly tty?: boolean
}

export function addExec(program: Command, installation: Installation): void {
  withTargetFlags(withNamespaceFlag(program.command('exec')))
    .description('run a command in a pod: ambit exec -n NS POD -- CMD…')
    .argument('<pod>')
    .argument('<command...>')
    .option('-c, --container <name>', 'container of the pod', '')
    .option('--no-stdin', 'give the command no input')
    .option('-t, --tty', 'give the command a terminal; not on one machine, where it shares ours')
    .action((pod: string, command: readonly string[], flags: ExecFlags) => exec(pod, command, flags, installation))
}

/** On one machine the command gets signals, too, which the Kubernetes API does not carry. */
async function exec(
  name: string,
  command: readonly string[],
  flags: ExecFlags,
  installation: Installation,
): Promise<void> {
  const { terminal } = installation
  const { container } = flags
  const target = targetOf(installation, flags)
  if (target.stateDir !== undefined) {
    const namespace = flags.namespace ?? 'default'
    terminal.exitCode = await execInPod(target.stateDir, { namespace, pod: name, container, command })
    return
  }
  await withTarget(target, flags.namespace, async ({ connection, namespace }) => {
    const hasTty = flags.tty === true && terminal.stdin.isTTY === true
    const order = { pod: { namespace, name }, container, command, hasStdin: flags.stdin, hasTty }
    terminal.exitCode = await execThroughApi(connection, order, terminal)
  })
}
