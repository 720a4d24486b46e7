import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { currentNetns, type Netns, openNetns, SyscallError } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { NetnsResolver, SoughtPod } from './resolver.ts'

/** The folder is read again this often: the kernel tells nothing of what happens behind a symlink or a bind mount. */
const RESCAN_MS = 2000
/** A file that is no namespace (yet), and links to a process that has ended. */
const NOT_THERE: readonly string[] = ['ENOENT', 'ESRCH', 'ENOTTY', 'EINVAL']

/** `<folder>/<pod uid>` is a namespace file, or a symlink to one, as long as the pod has its namespace. */
export class FolderResolver implements NetnsResolver {
  readonly #folder: string
  readonly #clock: Clock
  readonly #logger: Logger
  /** Of the node: redirecting it would cut the node off, and a stale symlink may lead to any process's namespace. */
  readonly #ownId: string
  readonly #listeners = new Set<(uid: string) => void>()
  /** By uid, device and inode of what was there at the last scan. */
  #seen: ReadonlyMap<string, string> = new Map()
  /** A folder that was made anew needs a new watch. */
  #watched: { readonly watcher: FSWatcher; readonly inode: number } | undefined
  #timer: Timer | undefined
  #isClosed = false

  constructor(folder: string, clock: Clock, logger: Logger) {
    this.#folder = folder
    this.#clock = clock
    this.#logger = logger
    const own = currentNetns()
    this.#ownId = own.id
    own.close()
    this.#scan()
  }

  find({ uid }: SoughtPod): Netns | undefined {
    let found: Netns
    try {
      found = openNetns(join(this.#folder, uid))
    } catch (error) {
      if (error instanceof SyscallError && NOT_THERE.includes(error.errno)) return undefined
      throw error
    }
    if (found.id !== this.#ownId) return found
    found.close()
    throw new MeshError('NOT_FOUND', `${join(this.#folder, uid)} leads to the node's own network namespace`)
  }

  onChanged(listener: (uid: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** The folder is told of as a whole. */
  forget(): void {}

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#unwatch()
    this.#listeners.clear()
  }

  #scan(): void {
    if (this.#isClosed) return
    this.#timer?.cancel()
    this.#watch()
    const before = this.#seen
    this.#seen = this.#read()
    this.#timer = this.#clock.setTimer(RESCAN_MS, () => this.#scan())
    for (const uid of new Set([...before.keys(), ...this.#seen.keys()])) {
      if (before.get(uid) !== this.#seen.get(uid)) for (const tell of [...this.#listeners]) tell(uid)
    }
  }

  #read(): Map<string, string> {
    try {
      return new Map(readdirSync(this.#folder).flatMap((uid) => this.#identify(uid)))
    } catch (error) {
      this.#logger.debug('the folder of namespaces cannot be read yet', { reason: reasonOf(error) })
      return new Map()
    }
  }

  #identify(uid: string): [uid: string, identity: string][] {
    try {
      const { dev, ino } = statSync(join(this.#folder, uid), { bigint: true })
      return [[uid, `${dev}:${ino}`]]
    } catch {
      // A symlink to a process that has ended: as good as no entry.
      return []
    }
  }

  /** Watching only makes it quicker; the periodic scan finds everything, and sets the watch up again. */
  #watch(): void {
    try {
      const { ino } = statSync(this.#folder)
      if (this.#watched?.inode === ino) return
      this.#unwatch()
      const watcher = watch(this.#folder, () => this.#scan())
      watcher.unref()
      watcher.on('error', () => this.#unwatch())
      this.#watched = { watcher, inode: ino }
    } catch {
      // Not made yet: the next scan tries again.
      this.#unwatch()
    }
  }

  #unwatch(): void {
    this.#watched?.watcher.close()
    this.#watched = undefined
  }
}
