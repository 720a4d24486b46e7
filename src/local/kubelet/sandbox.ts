import type { Command, Tools } from '../host/index.ts'
import { holdNamespaces, type NamespaceHolder } from '../network/index.ts'

/** What a pod's namespaces are made with. */
export interface SandboxSettings {
  readonly hostname: string
  /** Files on this machine that the pod sees as /etc/hosts and /etc/resolv.conf. */
  readonly hostsFile: string
  readonly resolvFile: string
  /** Folders with the mesh's own keys and sockets, which a pod sees empty. */
  readonly hidden: readonly string[]
}

/**
 * $1 host name, $2 hosts file, $3 resolver file, then folders to hide. A name server of the machine cannot be reached
 * from here, and its caching daemon (/run/nscd) would answer from the machine's files. A machine that forbids a new
 * /proc (a container with masked files) leaves the pod the machine's, in which only pids differ.
 */
const POD_SCRIPT = `
hostname "$1"
mount --bind "$2" /etc/hosts
resolver=$3
shift 3
mount -t tmpfs -o mode=755 tmpfs /run
target=$(readlink -f /etc/resolv.conf || true)
case $target in /run/*|/var/run/*) mkdir -p "\${target%/*}"; : > "$target" ;; esac
if [ -n "$target" ] && [ -e "$target" ]; then mount --bind "$resolver" "$target"; fi
for folder; do
  if [ -d "$folder" ]; then mount -t tmpfs -o mode=700 tmpfs "$folder"; fi
done
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter
if [ -d /proc/sys/net/ipv6 ]; then
  echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6
  echo 0 > /proc/sys/net/ipv6/conf/default/disable_ipv6
  echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
fi
mount -t proc proc /proc 2> /dev/null || true`

/**
 * Rights a container keeps, Docker's default set without NET_RAW: it cannot undo the redirection of its traffic, nor
 * mark packets as the tunnel's own (SO_MARK needs NET_ADMIN or NET_RAW), nor leave its namespaces.
 */
const CAPABILITIES = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'setgid',
  'setuid',
  'setpcap',
  'net_bind_service',
  'sys_chroot',
]

/** Arguments are the folder and the command, never part of the script; 125 like `env` when the folder cannot be entered. */
const ENTER_SCRIPT = 'cd -- "$1" || exit 125; shift; exec "$@"'

/** A pod's network, mount, host name and IPC namespaces; its containers join them. */
export function openSandbox(tools: Tools, settings: SandboxSettings): Promise<NamespaceHolder> {
  const { hostname, hostsFile, resolvFile, hidden } = settings
  const flags = ['--net', '--mount', '--uts', '--ipc']
  return holdNamespaces(tools, flags, POD_SCRIPT, [hostname, hostsFile, resolvFile, ...hidden])
}

/**
 * The command that runs `argv` in `folder` inside the namespaces of the sandbox, or of a process in it; it becomes the
 * process itself, without a parent left.
 */
export function commandInSandbox(
  tools: Tools,
  sandbox: Pick<NamespaceHolder, 'machinePid'>,
  run: { readonly argv: readonly string[]; readonly folder: string; readonly env: Readonly<Record<string, string>> },
): Command {
  const enter = ['--target', String(sandbox.machinePid), '--net', '--mount', '--uts', '--ipc', '--']
  const limit = ['--bounding-set', ['-all', ...CAPABILITIES.map((name) => `+${name}`)].join(','), '--inh-caps', '-all']
  return {
    file: tools.nsenter,
    args: [...enter, tools.setpriv, ...limit, '--', tools.sh, '-c', ENTER_SCRIPT, 'enter', run.folder, ...run.argv],
    env: run.env,
  }
}
