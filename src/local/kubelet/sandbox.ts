import type { Tools } from '../host/index.ts'
import { holdNamespaces, type NamespaceHolder } from '../network/index.ts'
import { VOLUMES_IN_SANDBOX } from './mount-script.ts'

/** What a pod's namespaces are made with. */
export interface SandboxSettings {
  readonly hostname: string
  /** Files on this machine that the pod sees as /etc/hosts and /etc/resolv.conf. */
  readonly hostsFile: string
  readonly resolvFile: string
  /** The pod's volumes on this machine, with those that have been written by now; undefined: it has none. */
  readonly volumesDir: string | undefined
  /** Folders with the mesh's own keys and sockets, which a pod sees empty. */
  readonly hidden: readonly string[]
}

/**
 * $1 host name, $2 hosts file, $3 resolver file, $4 folder of the volumes or nothing, then folders to hide, among them
 * that of the volumes: containers get theirs through /run, where no container sees it (`mount-script.ts`). A name server
 * of the machine cannot be reached from here, and its caching daemon (/run/nscd) would answer from the machine's files. A
 * machine that forbids a new /proc (a container with masked files) leaves the pod the machine's, in which only pids differ.
 */
const POD_SCRIPT = `
hostname "$1"
mount --bind "$2" /etc/hosts
resolver=$3
volumes=$4
shift 4
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 700 /run/ambit /run/ambit/layers ${VOLUMES_IN_SANDBOX}
if [ -n "$volumes" ]; then mount --rbind "$volumes" ${VOLUMES_IN_SANDBOX}; else mount -t tmpfs tmpfs ${VOLUMES_IN_SANDBOX}; fi
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

/** A pod's network, mount, host name and IPC namespaces; its containers join them. */
export function openSandbox(tools: Tools, settings: SandboxSettings): Promise<NamespaceHolder> {
  const { hostname, hostsFile, resolvFile, volumesDir = '', hidden } = settings
  const flags = ['--net', '--mount', '--uts', '--ipc']
  return holdNamespaces(tools, flags, POD_SCRIPT, [hostname, hostsFile, resolvFile, volumesDir, ...hidden])
}
