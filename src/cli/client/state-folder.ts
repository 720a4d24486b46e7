import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  claimRunRecord,
  currentBootId,
  identify,
  isRunning,
  newRunRecord,
  type ProcessIdentity,
  type RunRecord,
  readRunRecord,
} from '#shared/control'
import { MeshError } from '#shared/errors'

/** What a mesh keeps in its folder; nothing else is ever removed. */
const ENTRIES = [
  'accounts',
  'ambit.sock',
  'istiod',
  'kubeconfig',
  'logs',
  'netns',
  'nodes',
  'pki',
  'pods',
  'ports.sock',
  'run.json',
  'run.json.new',
  'store',
]

/** Processes of the mesh of this folder that run now; from the outside in. */
export function runningProcesses(stateDir: string): readonly ProcessIdentity[] {
  return recordOfThisBoot(stateDir)?.processes.filter(isRunning) ?? []
}

/** What opens ports of the machine for the mesh of this folder; undefined when it is gone. */
export function runningPortOpener(stateDir: string): ProcessIdentity | undefined {
  const opener = recordOfThisBoot(stateDir)?.portOpener
  return opener !== undefined && isRunning(opener) ? opener : undefined
}

function recordOfThisBoot(stateDir: string): RunRecord | undefined {
  const record = readRunRecord(stateDir)
  return record?.bootId === currentBootId() ? record : undefined
}

/**
 * Makes the folder, readable by its owner only, and says in it that this process starts a mesh there.
 * @throws MeshError when somebody else's files are in it, or another mesh is being started there
 */
export function claimFolder(stateDir: string, startedAt: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const strangers = readdirSync(stateDir).filter((name) => !ENTRIES.includes(name))
  if (strangers.length > 0) {
    const shown = strangers.slice(0, 3).join(', ')
    throw new MeshError(
      'CONFIG_INVALID',
      `${stateDir} holds files that are not a mesh's (${shown}); name another folder with --state`,
    )
  }
  if (!claimRunRecord(stateDir, newRunRecord(startedAt, [identify(process.pid)]))) {
    throw new MeshError(
      'COMMAND_FAILED',
      `another mesh is being started in ${stateDir}; wait for it, or name another folder with --state`,
    )
  }
}

/** Removes what a mesh keeps, and the folder when nothing else is in it. */
export function removeState(stateDir: string): void {
  for (const name of ENTRIES) rmSync(join(stateDir, name), { recursive: true, force: true })
  try {
    rmdirSync(stateDir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY') throw error
  }
}

/** True when a mesh has left something in the folder. */
export function hasState(stateDir: string): boolean {
  try {
    return readdirSync(stateDir).some((name) => ENTRIES.includes(name))
  } catch {
    return false
  }
}
