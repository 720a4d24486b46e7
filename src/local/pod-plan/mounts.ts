import { lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { missing } from './environment.ts'
import { expand } from './expand.ts'
import type { MountSpec } from './spec.ts'
import type { ContainerMount } from './types.ts'
import { type HostPathType, hostPathProblem, type VolumeSpec } from './volume-spec.ts'

/** What a volume's files are read from on this machine. */
interface Place {
  readonly path: string
  readonly isReadOnly: boolean
  /** Where a `subPath` that is not there is made, as in any other volume that containers write to. */
  readonly isMade: boolean
}

/**
 * What a container sees of the pod's volumes, outermost first, so that one can lie inside another.
 *
 * @param env for `subPathExpr`
 * @throws MeshError `CONTAINER_CONFIG_INVALID` for a path that is not there, or leads out of its volume
 */
export function planMounts(
  mounts: readonly MountSpec[],
  volumes: readonly VolumeSpec[],
  volumesDir: string,
  env: Readonly<Record<string, string>>,
): readonly ContainerMount[] {
  return mounts
    .map((mount): ContainerMount => {
      const volume = volumes.find(({ name }) => name === mount.name)
      if (volume === undefined) throw new TypeError(`the mount of ${mount.name} was not checked before it was planned`)
      const place = placeOf(volume, volumesDir)
      const subPath = mount.subPathExpr === '' ? mount.subPath : expandedPath(mount.subPathExpr, env)
      return {
        source: subPath === '' ? realPath(place.path, place.path) : within(place, subPath),
        target: posix.resolve('/', mount.mountPath),
        isReadOnly: mount.readOnly || place.isReadOnly,
      }
    })
    .sort((a, b) => a.target.split('/').length - b.target.split('/').length)
}

function placeOf({ name, source }: VolumeSpec, volumesDir: string): Place {
  if (source.kind === 'host') {
    return { path: realHostPath(source.path, source.type), isReadOnly: false, isMade: false }
  }
  return { path: join(volumesDir, name), isReadOnly: source.kind === 'files', isMade: source.kind === 'empty' }
}

/** A link may lead to what a pod has of its own. */
function realHostPath(path: string, type: HostPathType): string {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) throw missing(`hostPath ${path} does not exist on this machine`)
  const isAsSaid = { '': true, Directory: found.isDirectory(), File: found.isFile(), Socket: found.isSocket() }
  if (!isAsSaid[type]) throw missing(`hostPath type check failed: ${path} is no ${type.toLowerCase()}`)
  const real = realPath(path, path)
  const problem = hostPathProblem(real)
  if (problem !== undefined) throw missing(`hostPath ${path} leads to ${real}, which ${problem}`)
  return real
}

function expandedPath(written: string, env: Readonly<Record<string, string>>): string {
  const path = expand(written, (name) => {
    if (Object.hasOwn(env, name)) return env[name]
    throw missing(`subPathExpr ${written} has the unknown variable ${name}`)
  })
  if (path.startsWith('/') || path.split('/').includes('..'))
    throw missing(`subPathExpr ${written} leads out of its volume: ${path}`)
  return path
}

/** Containers may have put a link into the volume: what it leads to must be inside, too. */
function within({ path, isMade }: Place, subPath: string): string {
  const wanted = join(path, subPath)
  const top = realPath(path, path)
  if (isMade && lstatSync(wanted, { throwIfNoEntry: false }) === undefined) makeBelow(top, subPath)
  const found = realPath(wanted, subPath)
  if (found !== top && !found.startsWith(`${top}/`)) throw missing(`subPath ${subPath} leads out of its volume`)
  return found
}

function makeBelow(top: string, subPath: string): void {
  let at = top
  for (const part of subPath.split('/')) {
    at = join(at, part)
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink())
      throw missing(`subPath ${subPath} goes through a link`)
    mkdirSync(at, { recursive: true, mode: 0o750 })
  }
}

function realPath(path: string, shown: string): string {
  try {
    return realpathSync(path)
  } catch (cause) {
    throw missing(`${shown} does not exist${(cause as NodeJS.ErrnoException).code === 'ENOENT' ? '' : ` (${cause})`}`)
  }
}
