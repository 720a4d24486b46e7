import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '#shared/errors'

/** Absolute paths of the machine's programs that this program runs; a pod's PATH never decides which. */
export interface Tools {
  readonly ip: string
  readonly unshare: string
  readonly nsenter: string
  readonly setpriv: string
  readonly setsid: string
  readonly mount: string
  readonly umount: string
  readonly hostname: string
  readonly sh: string
}

/** Where administrators' programs are even when an ordinary user's PATH leaves them out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

const packageOf: Readonly<Record<keyof Tools, string>> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  setsid: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  hostname: 'hostname',
  sh: 'dash',
}

/** @throws MeshError `COMMAND_FAILED` naming every missing program and its package */
export function findTools(path: string): Tools {
  const folders = [...path.split(':').filter((folder) => folder.startsWith('/')), ...SYSTEM_FOLDERS]
  const found = new Map<string, string>()
  for (const name of Object.keys(packageOf)) {
    const folder = folders.find((candidate) => isProgram(join(candidate, name)))
    if (folder !== undefined) found.set(name, join(folder, name))
  }
  const missing = (Object.keys(packageOf) as (keyof Tools)[]).filter((name) => !found.has(name))
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((name) => packageOf[name]))].join(', ')
    throw new MeshError('COMMAND_FAILED', `${missing.join(', ')} not found; install the package(s) ${packages}`)
  }
  return Object.fromEntries(found) as Record<keyof Tools, string>
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
