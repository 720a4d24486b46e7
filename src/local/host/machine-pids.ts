import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** One process in both numberings. */
interface ProcessPids {
  /** As /proc, which is the machine's, shows it. */
  readonly machine: number
  /** As this program's own pid namespace counts it, for `kill`. */
  readonly own: number
  /** The process that began its session, in the own numbering. */
  readonly session: number
  /** As /proc shows it. */
  readonly parent: number
}

/**
 * Pids of this program's processes as the machine sees them. The supervisor lives in a pid namespace of its own, but
 * keeps the machine's /proc: there, `NSpid` gives a process's pid in each namespace, from the outside in.
 */
export class MachinePids {
  /** Own to machine; an entry holds while the process runs. */
  #known = new Map<number, number>()

  /** The machine's pid of this very process. */
  get self(): number {
    return Number(readlinkSync('/proc/self'))
  }

  /** Undefined when the process is gone. One miss reads all of /proc, a few ms. */
  of(own: number): number | undefined {
    const known = this.#known.get(own)
    // A pid that was given to another process since would show the wrong one.
    if (known !== undefined && pidsOf(String(known))?.own === own) return known
    this.#known = new Map(ownProcesses().map((pids) => [pids.own, pids.machine]))
    return this.#known.get(own)
  }
}

/** Parents of the machine's process `pid`, nearest first, up to but without process 1. */
export function ancestorsOf(pid: number): readonly number[] {
  const found: number[] = []
  for (let next = parentOf(pid); next !== undefined && next > 1; next = parentOf(next)) found.push(next)
  return found
}

/**
 * SIGKILL for every process of this program's pid namespace that has the same host name namespace as `machinePid`, but
 * not for that one. All processes of a pod share it, while each container has mounts of its own.
 * @returns how many there were
 */
export function killNeighbours(machinePid: number): number {
  const namespace = hostNamespaceOf(machinePid)
  if (namespace === undefined) return 0
  let count = 0
  for (const pids of ownProcesses()) {
    if (pids.machine === machinePid || hostNamespaceOf(pids.machine) !== namespace) continue
    count++
    kill(pids.own)
  }
  return count
}

/**
 * SIGKILL for the session that `leader` (in this program's own numbering) has begun and for all descendants of its
 * processes: what a shell has put into other groups, and what began a session of its own but still has its parent.
 */
export function killSession(leader: number): void {
  const left = new Set(ownProcesses())
  const found = new Set<number>()
  for (let before = -1; before < found.size; ) {
    before = found.size
    for (const pids of left) {
      if (pids.session !== leader && pids.own !== leader && !found.has(pids.parent)) continue
      found.add(pids.machine)
      left.delete(pids)
      kill(pids.own)
    }
  }
}

/** A process that is gone is no error. */
function kill(own: number): void {
  try {
    process.kill(own, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Whether two of the machine's processes are in the same pod, whose host name they share; false when one is gone. */
export function areNeighbours(machinePid: number, other: number): boolean {
  const namespace = hostNamespaceOf(machinePid)
  return namespace !== undefined && namespace === hostNamespaceOf(other)
}

function ownProcesses(): readonly ProcessPids[] {
  const own = readlinkSync('/proc/self/ns/pid')
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    const pids = pidsOf(entry)
    if (pids === undefined) return []
    try {
      return readlinkSync(`/proc/${entry}/ns/pid`) === own ? [pids] : []
    } catch {
      // Ended between the two reads, or somebody else's.
      return []
    }
  })
}

/** Undefined for a process that is gone or dead and not yet reaped. */
function pidsOf(entry: string): ProcessPids | undefined {
  const status = statusOf(entry)
  if (status === undefined || /^State:\s+[ZX]/m.test(status)) return undefined
  const last = (name: string): number => Number(new RegExp(`^${name}:.*?(\\d+)$`, 'm').exec(status)?.[1])
  return { machine: Number(entry), own: last('NSpid') || Number(entry), session: last('NSsid'), parent: last('PPid') }
}

function hostNamespaceOf(machinePid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${machinePid}/ns/uts`)
  } catch {
    return undefined
  }
}

function parentOf(pid: number): number | undefined {
  const parent = /^PPid:\s+(\d+)$/m.exec(statusOf(String(pid)) ?? '')?.[1]
  return parent === undefined ? undefined : Number(parent)
}

function statusOf(entry: string): string | undefined {
  try {
    return readFileSync(`/proc/${entry}/status`, 'utf8')
  } catch {
    return undefined
  }
}
