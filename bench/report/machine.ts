import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

/** Where and under which load a result was taken; a result without it is no result. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** 1-minute load average before the first round. */
  readonly loadBefore: number
  readonly takenAt: string
}

/** Above this load per core the machine was not ours alone, and figures are marked. */
export const BUSY_LOAD_PER_CORE = 0.5

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    takenAt: new Date().toISOString(),
  }
}

export function isBusy(machine: Machine): boolean {
  return machine.loadBefore > BUSY_LOAD_PER_CORE * machine.cores
}
