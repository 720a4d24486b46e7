import { readFileSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { KindReader } from './kinds.ts'
import { objectKey } from './object-table.ts'
import { type ReadObjects, readObjects } from './read-objects.ts'
import type { KubeObject, ObjectProblem } from './types.ts'

const MAX_FILES = 20_000
const MAX_SUBFOLDERS = 256
const MAX_FILE_BYTES = 16 * 1024 * 1024
/** How long reading goes on before the rest of the program gets a turn. */
const TURN_MS = 5

/** What a folder holds: folders to watch (the first is itself) and YAML files, each sorted. */
export interface FolderListing {
  readonly folders: readonly string[]
  readonly files: readonly string[]
  readonly problems: readonly ObjectProblem[]
}

/** One file as last read. */
interface FileState {
  /** Changes whenever the file does. */
  readonly stamp: string
  /** Good objects, and the last good form of those that are wrong now. */
  readonly objects: readonly KubeObject[]
  readonly problems: readonly ObjectProblem[]
}

/** YAML files of `dir` and of the folders right below it; hidden ones are passed over. @throws when unreadable */
export async function listFolder(dir: string): Promise<FolderListing> {
  const top = await listOne(dir)
  const problems: ObjectProblem[] = []
  const folders = [dir]
  const files = [...top.files]
  for (const folder of top.folders.slice(0, MAX_SUBFOLDERS)) {
    try {
      files.push(...(await listOne(folder)).files)
      folders.push(folder)
    } catch (error) {
      problems.push(wholeProblem(folder, `cannot be read: ${reasonOf(error)}`))
    }
  }
  if (top.folders.length > MAX_SUBFOLDERS) problems.push(wholeProblem(dir, `has more than ${MAX_SUBFOLDERS} folders`))
  if (files.length > MAX_FILES)
    problems.push(wholeProblem(dir, `has more than ${MAX_FILES} files; the rest is not read`))
  return { folders, files: files.sort().slice(0, MAX_FILES), problems }
}

async function listOne(
  dir: string,
): Promise<{ readonly folders: readonly string[]; readonly files: readonly string[] }> {
  const entries = (await readdir(dir, { withFileTypes: true })).filter((entry) => !entry.name.startsWith('.'))
  const paths = (keep: (entry: (typeof entries)[number]) => boolean): string[] =>
    entries.filter(keep).map((entry) => join(dir, entry.name))
  return {
    folders: paths((entry) => entry.isDirectory()).sort(),
    // A link counts by its name: mounted ConfigMaps hold links only.
    files: paths((entry) => !entry.isDirectory() && /\.ya?ml$/.test(entry.name)),
  }
}

export function wholeProblem(where: string, problem: string): ObjectProblem {
  return { where, line: undefined, path: '', problem }
}

/** The YAML files of a folder, read again only when they change; a file that turns bad keeps its last good objects. */
export class FolderFiles {
  readonly #kinds: readonly KindReader[]
  readonly #clock: Clock
  #states = new Map<string, FileState>()

  constructor(kinds: readonly KindReader[], clock: Clock) {
    this.#kinds = kinds
    this.#clock = clock
  }

  /**
   * Reads what changed. Each file is looked at and read at once, which costs a tenth of asking the thread pool, and
   * whoever else has work gets a turn every few ms.
   *
   * @returns true when a file changed while it was read and should be read again soon
   */
  async refresh(files: readonly string[]): Promise<boolean> {
    const states = new Map<string, FileState>()
    let isMoving = false
    let turnEndsMs = this.#clock.monotonicMs() + TURN_MS
    for (const file of files) {
      const read = this.#readFile(file, this.#states.get(file))
      if (read !== 'gone') {
        isMoving ||= read.isMoving
        states.set(file, read.state)
      }
      if (this.#clock.monotonicMs() < turnEndsMs) continue
      await setImmediate()
      turnEndsMs = this.#clock.monotonicMs() + TURN_MS
    }
    this.#states = states
    return isMoving
  }

  /** All objects, each kind and key once: of two in different places the first in file order counts. */
  collect(): { readonly objects: readonly KubeObject[]; readonly problems: readonly ObjectProblem[] } {
    const owners = new Map<string, string>()
    const objects: KubeObject[] = []
    const problems: ObjectProblem[] = []
    for (const [file, state] of this.#states) {
      problems.push(...state.problems)
      for (const object of state.objects) {
        const id = `${object.kind} ${objectKey(object)}`
        const owner = owners.get(id)
        if (owner !== undefined) problems.push(wholeProblem(file, `${id} is also in ${owner}, which counts`))
        if (owner !== undefined) continue
        owners.set(id, file)
        objects.push(object)
      }
    }
    return { objects, problems }
  }

  #readFile(
    file: string,
    old: FileState | undefined,
  ): 'gone' | { readonly state: FileState; readonly isMoving: boolean } {
    try {
      const before = lookAt(file)
      if (before.stamp === old?.stamp) return { state: old, isMoving: false }
      if (before.problem !== undefined)
        return { state: spoilt(file, before.stamp, before.problem, old), isMoving: false }
      const text = readFileSync(file, 'utf8')
      const state = merge(before.stamp, readObjects(text, file, this.#kinds), old)
      return { state, isMoving: lookAt(file).stamp !== before.stamp }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone'
      return { state: spoilt(file, '', `cannot be read: ${reasonOf(error)}`, old), isMoving: false }
    }
  }
}

/** `stamp` changes with any write, rename over, or replaced link target; `problem`: the file must not be opened. */
function lookAt(file: string): { readonly stamp: string; readonly problem: string | undefined } {
  const status = statSync(file, { bigint: true })
  const { dev, ino, size, mtimeNs, ctimeNs } = status
  // Opening a pipe would wait for whoever writes it.
  const kind = status.isFile() ? undefined : 'is no regular file'
  const problem = kind ?? (size > MAX_FILE_BYTES ? `is larger than ${MAX_FILE_BYTES} bytes` : undefined)
  return { stamp: `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`, problem }
}

/** Nothing is known of what the file means now. */
function spoilt(file: string, stamp: string, problem: string, old: FileState | undefined): FileState {
  return { stamp, objects: old?.objects ?? [], problems: [wholeProblem(file, problem)] }
}

function merge(stamp: string, read: ReadObjects, old: FileState | undefined): FileState {
  if (read.isUnreadable) return { stamp, objects: old?.objects ?? [], problems: read.problems }
  const kept = (old?.objects ?? []).filter((object) =>
    read.rejected.some(
      (id) => id.kind === object.kind && id.namespace === object.metadata.namespace && id.name === object.metadata.name,
    ),
  )
  return { stamp, objects: [...read.objects, ...kept], problems: read.problems }
}
