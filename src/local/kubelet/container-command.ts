import type { Command, Tools } from '../host/index.ts'
import { CONTAINER_CAPABILITIES, type ContainerRun } from '../pod-plan/index.ts'
import { IN_PLACE_SCRIPT, MOUNT_SCRIPT } from './mount-script.ts'

/** What of a run its command needs besides the files that it sees. */
export type ContainerProcess = Pick<ContainerRun, 'argv' | 'folder' | 'env' | 'user' | 'rights'>

/**
 * Becomes the process itself, after the rights are gone. $1 folder, $2 number of variables, their names, then the command.
 * The values came as AMBIT_V0, AMBIT_V1, …: under their own names they would reach the tools that run before, with all
 * rights (LD_PRELOAD, PATH), and as arguments everybody on the machine could read them. 125 like `env` when the folder
 * cannot be entered; names that no shell takes go through `env`.
 */
const ENTER_SCRIPT = `
cd -- "$1" || exit 125
AMBIT_LEFT=$2
shift 2
AMBIT_I=0
while [ "$AMBIT_I" -lt "$AMBIT_LEFT" ]; do
  eval "AMBIT_VALUE=\\$AMBIT_V$AMBIT_I"
  unset "AMBIT_V$AMBIT_I"
  export "$1=$AMBIT_VALUE"
  shift
  AMBIT_I=$((AMBIT_I + 1))
done
unset AMBIT_LEFT AMBIT_I AMBIT_VALUE
exec "$@"`

/** Names that the shell sets itself, or takes in part only. */
const SHELLS_OWN = new Set(['IFS', 'OPTIND', 'PPID', 'UID', 'EUID', 'SHELLOPTS', 'BASHOPTS', 'POSIXLY_CORRECT', '_'])

/**
 * The command that starts a container in its pod's sandbox: with a mount namespace of its own, in which it sees its
 * volumes, and with the rights of a container.
 *
 * @param sandbox the holder of the pod's namespaces, as the machine counts pids
 * @param volumesDir where the pod's volumes are on this machine; the sandbox was opened with it
 */
export function startContainer(
  tools: Tools,
  sandbox: { readonly machinePid: number },
  volumesDir: string,
  run: ContainerRun,
): Command {
  const { file, args, env } = enter(tools, run)
  const mounts = run.mounts.flatMap(({ source, target, isReadOnly }) => [source, target, isReadOnly ? 'ro' : 'rw'])
  const root = run.isRootReadOnly ? 'ro' : 'rw'
  const script = [tools.sh, '-ec', MOUNT_SCRIPT, 'mount', volumesDir, root, String(run.mounts.length), ...mounts]
  return {
    file: tools.nsenter,
    args: [...namespacesOf(sandbox.machinePid), tools.unshare, '--mount', '--', ...script, file, ...args],
    env,
  }
}

/**
 * The command that runs something beside a container's process, seeing what that sees (`kubectl exec`, probes, hooks). It
 * waits until a process that was just started has its files.
 */
export function enterContainer(
  tools: Tools,
  container: { readonly machinePid: number },
  run: ContainerProcess,
): Command {
  const { file, args, env } = enter(tools, run)
  const { machinePid } = container
  const join = [tools.nsenter, ...namespacesOf(machinePid), file, ...args]
  return { file: tools.sh, args: ['-c', IN_PLACE_SCRIPT, 'wait', String(machinePid), ...join], env }
}

function namespacesOf(machinePid: number): readonly string[] {
  return ['--target', String(machinePid), '--net', '--mount', '--uts', '--ipc', '--']
}

/** Gives the rights up and becomes the process. */
function enter(tools: Tools, { argv, folder, env, user, rights }: ContainerProcess): Command {
  const { capabilities = CONTAINER_CAPABILITIES, canGain = true } = rights ?? {}
  const kept = capabilities.map((name) => `+${name.toLowerCase()}`)
  const limit = [
    ...['--bounding-set', ['-all', ...kept].join(','), '--inh-caps', '-all'],
    ...(canGain ? [] : ['--no-new-privs']),
    ...(user === undefined ? [] : userFlags(user)),
  ]
  const variables = Object.entries(env)
  const inShell = variables.filter(([name]) => isShellName(name))
  const others = variables.filter(([name]) => !isShellName(name)).map(([name, value]) => `${name}=${value}`)
  const command = others.length === 0 ? argv : ['/usr/bin/env', '--', ...others, ...argv]
  const names = inShell.map(([name]) => name)
  return {
    file: tools.setpriv,
    args: [...limit, '--', tools.sh, '-c', ENTER_SCRIPT, 'enter', folder, String(names.length), ...names, ...command],
    env: Object.fromEntries(inShell.map(([, value], i) => [`AMBIT_V${i}`, value])),
  }
}

function userFlags({ uid, gid, groups }: NonNullable<ContainerRun['user']>): readonly string[] {
  const others = groups.length === 0 ? ['--clear-groups'] : ['--groups', groups.join(',')]
  return ['--reuid', String(uid), '--regid', String(gid), ...others]
}

function isShellName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !name.startsWith('AMBIT_') && !SHELLS_OWN.has(name)
}
