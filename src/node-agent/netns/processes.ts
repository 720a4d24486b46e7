import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError, reasonOf } from '#shared/errors'
import { type Netns, openNetns, SyscallError } from '#shared/sys'
import { isKernelThread } from './pod-process.ts'

/** A folder of processes, as the kernel shows it: `/proc`, or where a container has the node's. */
export interface Processes {
  readonly procDir: string
  /** Of the node: what its first process is in. */
  readonly hostNetns: string
  /** Of this program. */
  readonly ownNetns: string
}

/** Processes by the name of the network namespace that they are in, `net:[4026531840]`; oldest ids first. */
export interface ProcessList {
  readonly byNetns: ReadonlyMap<string, readonly number[]>
  /** Processes that we may not look at. */
  readonly hidden: number
}

/** A process has ended meanwhile, or never had namespaces of its own. */
const GONE: readonly string[] = ['ENOENT', 'ESRCH', 'ENOTTY', 'EINVAL']
/** Of a namespace that many processes are in, so many are tried: those that have ended leave it to the next. */
const MAX_TRIED = 16

/** @throws MeshError `CONFIG_INVALID` or `PRIVILEGE_MISSING` when the node's processes cannot be seen there */
export function openProcesses(procDir: string): Processes {
  if (procDir === '/proc' && process.pid === 1)
    throw new MeshError(
      'CONFIG_INVALID',
      'AMBIT_PROC_DIR=/proc shows this container only: mount the /proc of the node, and name where',
    )
  return { procDir, hostNetns: hostNetnsOf(procDir), ownNetns: readlinkSync('/proc/self/ns/net') }
}

function hostNetnsOf(procDir: string): string {
  try {
    return netnsNameOf(procDir, 1)
  } catch (cause) {
    const errno = errnoOf(cause)
    // Some machines let nobody look at their first process.
    const ofKernel = isDenied(errno) ? netnsOfKernel(procDir) : undefined
    if (ofKernel !== undefined) return ofKernel
    if (isDenied(errno))
      throw new MeshError(
        'PRIVILEGE_MISSING',
        "the node's processes may not be looked at: it takes CAP_SYS_PTRACE in the machine's own user namespace",
        { cause },
      )
    throw new MeshError('CONFIG_INVALID', `AMBIT_PROC_DIR: there are no processes in ${procDir}: ${reasonOf(cause)}`, {
      cause,
    })
  }
}

/** The kernel's own threads are in the machine's first namespace; undefined where they do not show. */
function netnsOfKernel(procDir: string): string | undefined {
  try {
    return isKernelThread(readFileSync(join(procDir, '2/stat'), 'utf8')) ? netnsNameOf(procDir, 2) : undefined
  } catch {
    return undefined
  }
}

function isDenied(errno: string): boolean {
  return errno === 'EACCES' || errno === 'EPERM'
}

export function listProcesses({ procDir }: Processes): ProcessList {
  const byNetns = new Map<string, number[]>()
  let hidden = 0
  const pids = readdirSync(procDir).flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []))
  for (const pid of pids.sort((a, b) => a - b)) {
    try {
      const name = netnsNameOf(procDir, pid)
      const known = byNetns.get(name)
      if (known === undefined) byNetns.set(name, [pid])
      else known.push(pid)
    } catch (error) {
      if (!GONE.includes(errnoOf(error))) hidden++
    }
  }
  return { byNetns, hidden }
}

/** A handle on a namespace, by one of its processes; undefined when all of them have left it. */
export function openNetnsOf({ procDir }: Processes, name: string, pids: readonly number[]): Netns | undefined {
  for (const pid of pids.slice(0, MAX_TRIED)) {
    try {
      const netns = openNetns(join(procDir, String(pid), 'ns/net'))
      // The process may be another one by now, or in another namespace: a tunnel enters its pods' for moments.
      if (`net:[${netns.id.split(':')[1]}]` === name) return netns
      netns.close()
    } catch (error) {
      if (!(error instanceof SyscallError) || !GONE.includes(error.errno)) throw error
    }
  }
  return undefined
}

/** What a process says of itself; undefined when it has ended. */
export function processText({ procDir }: Processes, pid: number, file: 'cgroup' | 'stat'): string | undefined {
  try {
    return readFileSync(join(procDir, String(pid), file), 'utf8')
  } catch (error) {
    if (GONE.includes(errnoOf(error))) return undefined
    throw error
  }
}

function netnsNameOf(procDir: string, pid: number): string {
  return readlinkSync(join(procDir, String(pid), 'ns/net'))
}

function errnoOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}
