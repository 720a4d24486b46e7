import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** One process in both numberings. */
interface ProcessPids {
  /** As /proc, which is the machine's, shows it. */
  readonly machine: number
  /** As this program's own pid namespace counts it, for `kill`. */
  readonly own: number
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
    try {
      process.kill(pids.own, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  return count
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
  const pids = /^NSpid:\s+(.+)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
  return { machine: Number(entry), own: Number(pids.at(-1) ?? entry) }
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
