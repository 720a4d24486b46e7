import { type FSWatcher, statSync, watch } from 'node:fs'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { FolderFiles, listFolder, wholeProblem } from './folder-files.ts'
import { type KindReader, meshKinds } from './kinds.ts'
import { ObjectTable } from './object-table.ts'
import type { ObjectChange, ObjectOf, ObjectProblem, ObjectSource } from './types.ts'

export interface FolderSettings {
  readonly clock: Clock
  readonly logger: Logger
  /** What is understood; by default the kinds of the mesh. */
  readonly kinds?: readonly KindReader[]
  /** A burst of writes is read once it has been quiet that long, but no later than `LONGEST_BURST_MS`. */
  readonly quietMs?: number
  /** Heals what the kernel's notices missed (network file systems, a full queue). */
  readonly rescanMs?: number
}

const DEFAULT_QUIET_MS = 30
const DEFAULT_RESCAN_MS = 5_000
const LONGEST_BURST_MS = 500

/**
 * The Kubernetes objects of a folder's YAML files, and of the folders right below it, kept up to date. What cannot be
 * read is a problem, logged once per change, and keeps its last good form. While the folder itself cannot be read
 * nothing changes, and before its first reading the source is not synced.
 */
export function watchFolder(dir: string, settings: FolderSettings): ObjectSource {
  return new FolderSource(dir, settings)
}

class FolderSource implements ObjectSource {
  readonly synced: Promise<void>
  readonly #dir: string
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #quietMs: number
  readonly #rescanMs: number
  readonly #table = new ObjectTable()
  readonly #files: FolderFiles
  /** By folder, with the inode that is watched: a folder that was replaced needs a new watch. */
  readonly #watches = new Map<string, { readonly inode: number; readonly watcher: FSWatcher }>()
  #problems: readonly ObjectProblem[] = []
  #told = new Set<string>()
  #timer: Timer | undefined
  #burstSinceMs: number | undefined
  #scan: Promise<void> | undefined
  #isStale = false
  #isClosed = false
  #tellSynced: () => void = () => {}

  constructor(dir: string, settings: FolderSettings) {
    this.#dir = dir
    this.#clock = settings.clock
    this.#logger = settings.logger
    this.#quietMs = settings.quietMs ?? DEFAULT_QUIET_MS
    this.#rescanMs = settings.rescanMs ?? DEFAULT_RESCAN_MS
    this.#files = new FolderFiles(settings.kinds ?? meshKinds, settings.clock)
    this.synced = new Promise((resolve) => {
      this.#tellSynced = resolve
    })
    this.#startScan()
  }

  get problems(): readonly ObjectProblem[] {
    return this.#problems
  }

  subscribe<K extends string>(kind: K, listener: (change: ObjectChange<ObjectOf<K>>) => void): () => void {
    return this.#table.subscribe(kind, listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const { watcher } of this.#watches.values()) watcher.close()
    this.#watches.clear()
    await this.#scan
  }

  /** One scan at a time; what changes during one is read by the next. */
  #startScan(): void {
    if (this.#isClosed) return
    if (this.#scan !== undefined) {
      this.#isStale = true
      return
    }
    this.#timer?.cancel()
    this.#burstSinceMs = undefined
    this.#isStale = false
    this.#scan = this.#readAll().then((isMoving) => {
      this.#scan = undefined
      if (this.#isClosed) return
      if (isMoving || this.#isStale) this.#noticed()
      else this.#timer = this.#clock.setTimer(this.#rescanMs, () => this.#startScan())
    })
  }

  /** Never rejects. @returns true when something moved while it was read */
  async #readAll(): Promise<boolean> {
    try {
      // Watching comes before reading, so that nothing falls between.
      this.#watch([this.#dir])
      const listing = await listFolder(this.#dir)
      if (this.#isClosed) return false
      this.#watch(listing.folders)
      const isMoving = await this.#files.refresh(listing.files)
      if (this.#isClosed) return false
      const { objects, problems } = this.#files.collect()
      this.#setProblems([...listing.problems, ...problems])
      this.#table.replaceAll(objects)
      this.#tellSynced()
      return isMoving
    } catch (error) {
      const gone = wholeProblem(this.#dir, `cannot be read, its last state stays: ${reasonOf(error)}`)
      this.#setProblems([gone])
      return false
    }
  }

  #setProblems(problems: readonly ObjectProblem[]): void {
    const told = new Set<string>()
    for (const problem of problems) {
      const text = formatProblem(problem)
      if (!this.#told.has(text)) this.#logger.error(text)
      told.add(text)
    }
    if (this.#told.size > 0 && told.size === 0) this.#logger.info(`${this.#dir}: everything can be read again`)
    this.#told = told
    this.#problems = problems
  }

  #watch(folders: readonly string[]): void {
    const isTop = folders.length === 1
    for (const folder of folders) this.#watchOne(folder)
    if (isTop) return
    for (const folder of [...this.#watches.keys()]) if (!folders.includes(folder)) this.#unwatch(folder)
  }

  #watchOne(folder: string): void {
    try {
      const inode = statSync(folder).ino
      if (this.#watches.get(folder)?.inode === inode) return
      this.#unwatch(folder)
      const watcher = watch(folder, () => this.#noticed())
      // The periodic scan watches anew.
      watcher.on('error', () => this.#unwatch(folder))
      this.#watches.set(folder, { inode, watcher })
    } catch (error) {
      this.#unwatch(folder)
      this.#logger.debug('folder cannot be watched; it is read periodically', { folder, reason: reasonOf(error) })
    }
  }

  #unwatch(folder: string): void {
    this.#watches.get(folder)?.watcher.close()
    this.#watches.delete(folder)
  }

  #noticed(): void {
    if (this.#isClosed) return
    if (this.#scan !== undefined) {
      this.#isStale = true
      return
    }
    const nowMs = this.#clock.monotonicMs()
    this.#burstSinceMs ??= nowMs
    const untilMs = Math.min(nowMs + this.#quietMs, this.#burstSinceMs + LONGEST_BURST_MS)
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(untilMs - nowMs, () => this.#startScan())
  }
}

/** `file:line: path: problem`. */
export function formatProblem(problem: ObjectProblem): string {
  const place = problem.line === undefined ? problem.where : `${problem.where}:${problem.line}`
  return [place, problem.path, problem.problem].filter((part) => part !== '').join(': ')
}
