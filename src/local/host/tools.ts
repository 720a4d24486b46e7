import { MeshError } from '#shared/errors'
import { findProgram, type Program, packageOf, programs, withSystemFolders } from '#shared/machine'

/** Absolute paths of the machine's programs that this program runs; a pod's PATH never decides which. */
export type Tools = Readonly<Record<Program, string>>

/** @throws MeshError `COMMAND_FAILED` naming every missing program and its package */
export function findTools(path: string): Tools {
  const folders = withSystemFolders(path)
  const found = new Map(programs.map((name) => [name, findProgram(name, folders)]))
  const missing = programs.filter((name) => found.get(name) === undefined)
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((name) => packageOf[name]))].join(', ')
    throw new MeshError('COMMAND_FAILED', `${missing.join(', ')} not found; install the package(s) ${packages}`)
  }
  return Object.fromEntries(found) as Record<Program, string>
}
