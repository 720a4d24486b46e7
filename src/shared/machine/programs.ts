import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'

/** Programs of the machine that a mesh on it runs, and the Debian packages that have them. */
export const packageOf = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  setsid: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  hostname: 'hostname',
  sh: 'dash',
} as const

export type Program = keyof typeof packageOf

export const programs: readonly Program[] = Object.keys(packageOf) as Program[]

/** Where administrators' programs are even when an ordinary user's PATH leaves them out. */
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** PATH of tools that are given nothing else of an environment: without what this machine's users have put beside them. */
export const SYSTEM_PATH: string = SYSTEM_FOLDERS.filter((folder) => !folder.startsWith('/usr/local/')).join(':')

/** Folders of a PATH; parts of it that are not absolute do not count. */
export function foldersOf(path: string): readonly string[] {
  return path.split(':').filter((folder) => folder.startsWith('/'))
}

/** Folders of a PATH, then the system's. */
export function withSystemFolders(path: string): readonly string[] {
  return [...foldersOf(path), ...SYSTEM_FOLDERS]
}

/** The path of a program in the first of these folders that has it; undefined when none has. */
export function findProgram(name: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
