import type { Command } from 'commander'
import { execInPod } from '../client/index.ts'
import { stateOf, withState } from './options.ts'

interface ExecOptions {
  readonly state: string
  readonly namespace: string
  readonly container: string
}

export function addExec(program: Command): void {
  withState(program.command('exec'))
    .description('run a command in a pod: ambit exec -n NS POD -- CMD…')
    .argument('<pod>')
    .argument('<command...>')
    .option('-n, --namespace <name>', 'namespace of the pod', 'default')
    .option('-c, --container <name>', 'container of the pod', '')
    .action(async (pod: string, command: readonly string[], options: ExecOptions) => {
      const { namespace, container } = options
      process.exitCode = await execInPod(stateOf(options), { namespace, pod, container, command })
    })
}
