import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessIdentity } from './process-identity.ts'
import { AMBIT_VERSION } from './version.ts'

/** What `ambit down` needs when the supervisor cannot be asked: whom it may end. */
export interface RunRecord {
  readonly version: string
  /** /proc/sys/kernel/random/boot_id: start ticks mean nothing after a reboot. */
  readonly bootId: string
  /** RFC 3339. */
  readonly startedAt: string
  /** From the outside in: the `unshare` that waits, process 1 of the mesh, the supervisor. */
  readonly processes: readonly ProcessIdentity[]
  /** What opens ports of the machine for it, outside of all that. */
  readonly portOpener: ProcessIdentity | undefined
}

const FILE = 'run.json'

/** The record of a mesh that starts now. */
export function newRunRecord(
  startedAt: string,
  processes: readonly (ProcessIdentity | undefined)[],
  portOpener?: ProcessIdentity,
): RunRecord {
  return {
    version: AMBIT_VERSION,
    bootId: currentBootId(),
    startedAt,
    processes: processes.filter((identity) => identity !== undefined),
    portOpener,
  }
}

export function currentBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** Writes the first record of a mesh; false when there is one already, as two starts must not share a folder. */
export function claimRunRecord(stateDir: string, record: RunRecord): boolean {
  try {
    writeFileSync(join(stateDir, FILE), JSON.stringify(record), { mode: 0o600, flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Puts a record in place of another. */
export function writeRunRecord(stateDir: string, record: RunRecord): void {
  const path = join(stateDir, FILE)
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** Undefined when there is none or it cannot be understood. */
export function readRunRecord(stateDir: string): RunRecord | undefined {
  try {
    const record: unknown = JSON.parse(readFileSync(join(stateDir, FILE), 'utf8'))
    return isRunRecord(record) ? record : undefined
  } catch {
    return undefined
  }
}

function isRunRecord(value: unknown): value is RunRecord {
  if (typeof value !== 'object' || value === null) return false
  const { version, bootId, startedAt, processes, portOpener } = value as Record<string, unknown>
  return (
    typeof version === 'string' &&
    typeof bootId === 'string' &&
    typeof startedAt === 'string' &&
    Array.isArray(processes) &&
    processes.every(isIdentity) &&
    (portOpener === undefined || isIdentity(portOpener))
  )
}

function isIdentity(value: unknown): boolean {
  const { pid, startTicks } = (value ?? {}) as Record<string, unknown>
  return Number.isSafeInteger(pid) && Number(pid) > 1 && Number.isSafeInteger(startTicks)
}
