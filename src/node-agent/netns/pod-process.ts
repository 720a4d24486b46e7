/** `…pod<uid>…` between punctuation, dashes of the uid as they are, as underscores (systemd), or left out. */
const POD =
  /[^0-9a-z]pod([0-9a-f]{8})[-_]?([0-9a-f]{4})[-_]?([0-9a-f]{4})[-_]?([0-9a-f]{4})[-_]?([0-9a-f]{12})(?![0-9a-z])/g

const PF_KTHREAD = 0x00200000

/**
 * The uid of the pod that a process belongs to, from its `/proc/<pid>/cgroup`: a line for each hierarchy, or the one of
 * cgroup v2, whose path names the pod as the kubelet does, with either driver and any container runtime. Undefined when it
 * is of no pod, and when it names two.
 */
export function podUidOf(cgroup: string): string | undefined {
  const uids = new Set([...cgroup.matchAll(POD)].map(([, ...parts]) => parts.slice(0, 5).join('-')))
  return uids.size === 1 ? [...uids][0] : undefined
}

/** Field 22 of proc_pid_stat(5) from `/proc/<pid>/stat`, in ticks since the machine started. */
export function startTimeOf(stat: string): number | undefined {
  return numberField(stat, 22)
}

/** Field 9, the flags: a thread of the kernel's own, which no process can pass for. */
export function isKernelThread(stat: string): boolean {
  return ((numberField(stat, 9) ?? 0) & PF_KTHREAD) !== 0
}

/** The name in field 2 may hold anything, so that fields count from its end on. */
function numberField(stat: string, n: number): number | undefined {
  const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[n - 3] ?? ''
  return /^\d+$/.test(field) ? Number(field) : undefined
}
