import { readFileSync } from 'node:fs'

/** One process and no other: a pid alone may have been given to somebody else since. */
export interface ProcessIdentity {
  readonly pid: number
  /** Field 22 of /proc/<pid>/stat: clock ticks between boot and the process's start. */
  readonly startTicks: number
}

/** The process that has this pid now; undefined when there is none. A zombie counts as gone. */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The second field, the name in brackets, may itself hold spaces and brackets (proc_pid_stat(5)).
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (state === 'Z' || state === 'X') return undefined
  return { pid, startTicks: Number(fields[18]) }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTicks === identity.startTicks
}
