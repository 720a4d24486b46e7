import { readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isRunning, type ProcessIdentity } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'

export interface FolderOwnership {
  release(): void
}

/**
 * Marks a folder as this process's: two that append to one journal would spoil it.
 *
 * @throws MeshError `STORE_FAILED` while the process that the mark names runs, or when it cannot be written
 */
export function ownFolder(dir: string): FolderOwnership {
  const path = join(dir, 'owner.json')
  const owner = readOwner(path)
  if (owner !== undefined && isRunning(owner))
    throw new MeshError('STORE_FAILED', `${dir} is in use by the process ${owner.pid}`)
  rmSync(path, { force: true })
  try {
    writeFileSync(path, JSON.stringify(ownIdentity()), { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    throw new MeshError('STORE_FAILED', `${dir} cannot be used: ${reasonOf(cause)}`, { cause })
  }
  return { release: () => rmSync(path, { force: true }) }
}

/** As /proc counts, which may be that of another pid namespace than this process's own. */
function ownIdentity(): ProcessIdentity | undefined {
  return identify(Number(readlinkSync('/proc/self')))
}

function readOwner(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
  } catch {
    return undefined // None, or one that was cut off while it was written: nobody owns it.
  }
}
