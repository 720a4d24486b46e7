import { readdirSync, readFileSync } from 'node:fs'

/** Memory of one process in MiB; `privateMiB` is what nobody else shares (anonymous). */
export interface Memory {
  readonly rssMiB: number
  readonly pssMiB: number
  readonly privateMiB: number
}

/** CPU that a process has used so far on all its live threads, in µs, by the scheduler's own accounting. */
export function cpuUs(pid: number): number {
  let totalNs = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      totalNs += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // A thread that ended between listing and reading has nothing more to say.
    }
  }
  return totalNs / 1000
}

export function memoryOf(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (key: string): number =>
    Math.round((Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]) / 1024) * 10) / 10
  return { rssMiB: mib('Rss'), pssMiB: mib('Pss'), privateMiB: mib('Anonymous') }
}
