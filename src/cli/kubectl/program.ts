import { Command } from 'commander'
import { duration, integer } from '#shared/config'
import { MeshError } from '#shared/errors'
import { execThroughApi, showLog } from '../cluster/index.ts'
import { choice, ofKind, withNamespaceFlag, withTargetFlags } from '../flags/index.ts'
import { apiResources } from './api-resources.ts'
import { apply } from './apply.ts'
import { withApplyFlags, withFileFlags } from './apply-flags.ts'
import { createNamespace } from './create.ts'
import { remove } from './delete.ts'
import { get } from './get.ts'
import { type LogFlags, logOrder, withLogFlags } from './log-flags.ts'
import { mark } from './mark.ts'
import type { Session } from './session.ts'
import { wait } from './wait.ts'

/** How a command reaches the cluster that its flags name. */
export type WithSession = (flags: GlobalFlags, work: (session: Session) => Promise<void>) => Promise<void>

export interface GlobalFlags {
  readonly namespace?: string
  readonly state?: string
  readonly kubeconfig?: string
  readonly context?: string
}

/** Where one learns how to get the real one. */
export const KUBECTL_ADVICE = 'install kubectl for it: https://kubernetes.io/docs/tasks/tools'
/** What a shell says of a program that it does not find. */
export const NO_KUBECTL = 127

const DAY_MS = 86_400_000

/** The part of kubectl that is here for machines without one. */
export function builtinKubectl(withSession: WithSession): Command {
  const program = new Command('kubectl').description('the built-in part of kubectl').enablePositionalOptions()
  withGlobals(program)
  const add = (usage: string, description: string): Command =>
    withGlobals(program.command(usage).description(description))
  const run =
    (work: (session: Session, args: readonly string[], flags: never) => Promise<void>) =>
    (args: readonly string[], _: unknown, command: Command): Promise<void> => {
      // What each command's flags are, its options below say.
      const flags = command.optsWithGlobals() as GlobalFlags
      return withSession(flags, (session) => work(session, args, flags as never))
    }
  withSelectors(add('get', 'show objects'))
    .argument('<type-and-names...>')
    .addOption(choice('-o, --output <format>', 'form', ['json', 'yaml', 'wide', 'name']))
    .option('-w, --watch', 'go on with changes until Ctrl-C')
    .option('--no-headers', 'rows only')
    .option('--ignore-not-found', 'what is not there is no failure')
    .action(run(get))
  withApplyFlags(add('apply', 'create and change objects by server-side apply')).action(
    (_: unknown, command: Command) =>
      run(async (session, _args, flags) => void (await apply(session, flags)))([], _, command),
  )
  withSelectors(withFileFlags(add('delete', 'delete objects')))
    .argument('[type-and-names...]')
    .option('--all', 'all objects of the kind')
    .option('--ignore-not-found', 'what is not there is no failure')
    .option('--no-wait', 'do not wait until they are gone')
    .option('--timeout <time>', 'longest wait', ofKind(duration), DAY_MS)
    .option('--grace-period <seconds>', 'what pods may take to end', ofKind(integer(0, 86_400)))
    .option('--now', 'as a grace period of 1')
    .action(run(remove))
  for (const [name, kind] of [
    ['label', 'labels'],
    ['annotate', 'annotations'],
  ] as const) {
    withSelectors(add(name, `set and take away ${kind}: ${name} TYPE NAME KEY=VALUE KEY-`))
      .argument('<arguments...>')
      .option('--overwrite', 'replace other values')
      .option('--all', 'all objects of the kind')
      .action(run((session, args, flags) => mark(session, kind, args, flags)))
  }
  withLogFlags(add('logs', 'show the log of a container'))
    .argument('<pod>')
    .action((pod: string, _: unknown, command: Command) => run(logs)([pod], _, command))
  add('exec', 'run a command in a container: exec POD -- CMD…')
    .argument('<pod>')
    .argument('<command...>')
    .option('-c, --container <name>', 'container', '')
    .option('-i, --stdin', 'give it our input')
    .option('-t, --tty', 'give it a terminal')
    .passThroughOptions()
    .action((pod: string, argv: readonly string[], _: unknown, command: Command) =>
      run(exec)([pod, ...argv], _, command),
    )
  withSelectors(add('wait', 'wait until objects are as wanted'))
    .argument('<type-and-names...>')
    .requiredOption('--for <goal>', 'condition=TYPE[=STATUS], jsonpath={PATH}[=VALUE] or delete')
    .option('--timeout <time>', 'longest wait', ofKind(duration), 30_000)
    .option('--all', 'all objects of the kind')
    .action(run(wait))
  add('api-resources', 'list the kinds that the server has')
    .addOption(choice('-o, --output <format>', 'form', ['wide', 'name']))
    .option('--api-group <name>', 'only of this group')
    .addOption(choice('--namespaced <which>', 'only these', ['true', 'false']))
    .action((_: unknown, command: Command) =>
      run((session, _args, flags) => apiResources(session, flags))([], _, command),
    )
  add('create', 'make a namespace: create namespace NAME')
    .argument('<type>')
    .argument('<name>')
    .action((type: string, name: string, _: unknown, command: Command) => {
      if (!['namespace', 'namespaces', 'ns'].includes(type))
        throw new MeshError(
          'COMMAND_FAILED',
          `"create ${type}" is not built in; write a manifest and apply it, or ${KUBECTL_ADVICE}`,
        )
      return run((session) => createNamespace(session, name))([], _, command)
    })
  return program
}

/** The commands above, for who must know whether one is built in. */
export function builtinNames(): readonly string[] {
  return builtinKubectl(async () => {}).commands.map((command) => command.name())
}

function withGlobals(command: Command): Command {
  return withTargetFlags(withNamespaceFlag(command))
}

function withSelectors(command: Command): Command {
  return command
    .option('-A, --all-namespaces', 'in every namespace')
    .option('-l, --selector <labels>', 'only objects with these labels')
    .option('--field-selector <fields>', 'only objects with these fields')
}

function logs(
  { connection, namespace, terminal }: Session,
  [pod = '']: readonly string[],
  flags: LogFlags,
): Promise<void> {
  return showLog(connection, logOrder({ namespace, name: nameOf(pod) }, flags), terminal)
}

/** `web`, `pod/web`. */
function nameOf(pod: string): string {
  return pod.replace(/^(?:pods?|po)\//, '')
}

interface ExecFlags {
  readonly container: string
  readonly stdin?: boolean
  readonly tty?: boolean
}

async function exec(session: Session, [pod = '', ...command]: readonly string[], flags: ExecFlags): Promise<void> {
  const { terminal, connection, namespace } = session
  const hasTty = flags.tty === true && terminal.stdin.isTTY === true
  if (flags.tty === true && !hasTty)
    terminal.stderr.write('ambit: no terminal for the command, as standard input is none\n')
  terminal.exitCode = await execThroughApi(
    connection,
    {
      pod: { namespace, name: nameOf(pod) },
      container: flags.container,
      // The end of our own flags is not the command's.
      command: command[0] === '--' ? command.slice(1) : command,
      hasStdin: flags.stdin === true,
      hasTty,
    },
    terminal,
  )
}
