import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
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

/** What outlives a mesh: the objects of its API, the API's authority and keys, and the mesh's own CA. */
const KEPT = ['istiod', 'pki', 'store']
/** What is of use only while it runs. */
const PASSING = [
  'accounts',
  'ambit.sock',
  'kubeconfig',
  'logs',
  'netns',
  'nodes',
  'pods',
  'ports.sock',
  'run.json',
  'run.json.new',
]
/** Copied kubeconfigs rely on the authority and on this, so it is kept beside it. */
const PORT_FILE = join('pki', 'api-port')

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
  const strangers = readdirSync(stateDir).filter((name) => !KEPT.includes(name) && !PASSING.includes(name))
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

/** Removes what is of use only while a mesh runs; the folder too when nothing stays in it. */
export function removePassing(stateDir: string): void {
  for (const name of PASSING) rmSync(join(stateDir, name), { recursive: true, force: true })
  // A mesh that was ended before it had anything to keep.
  for (const name of KEPT) removeIfEmpty(join(stateDir, name))
  removeIfEmpty(stateDir)
}

/** Removes all that a mesh has in its folder, and the folder when nothing else is in it. */
export function purgeState(stateDir: string): void {
  for (const name of KEPT) rmSync(join(stateDir, name), { recursive: true, force: true })
  removePassing(stateDir)
}

/** What of a mesh is in the folder. */
export type FolderState = 'nothing' | 'kept' | 'passing'

/** `passing`: a mesh runs, or has ended without cleaning up; `kept`: only what outlives one is there. */
export function stateIn(stateDir: string): FolderState {
  const names = namesIn(stateDir)
  if (names.some((name) => PASSING.includes(name))) return 'passing'
  return names.some((name) => KEPT.includes(name)) ? 'kept' : 'nothing'
}

/** The port on which the API of this folder was served last; undefined: never, or nobody knows. */
export function lastApiPort(stateDir: string): number | undefined {
  try {
    const port = Number(readFileSync(join(stateDir, PORT_FILE), 'utf8'))
    return Number.isInteger(port) && port > 0 && port <= 65_535 ? port : undefined
  } catch {
    return undefined
  }
}

export function keepApiPort(stateDir: string, port: number): void {
  mkdirSync(join(stateDir, 'pki'), { recursive: true, mode: 0o700 })
  const path = join(stateDir, PORT_FILE)
  writeFileSync(`${path}.new`, `${port}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

function removeIfEmpty(dir: string): void {
  try {
    rmdirSync(dir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY') throw error
  }
}
