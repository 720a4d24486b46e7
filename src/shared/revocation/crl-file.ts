import { createHash } from 'node:crypto'
import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type RevocationList, readRevocationLists } from '#shared/pki'
import type { Logger } from '#shared/telemetry'

export interface CrlFileOptions {
  readonly path: string
  readonly clock: Clock
  readonly log: Logger
  /** Called with each set of lists that is another than the one before. */
  readonly onLists: (lists: readonly RevocationList[]) => void
}

/** Several changes in a row are one: a mounted secret is swapped in three steps. */
const SETTLE_MS = 50
/** The file is looked at this often too, as not every file system tells of changes. */
const LOOK_MS = 10_000

/**
 * The file that `CRL_PATH` names, read at once and again whenever it changes. What cannot be read is told in the log, and
 * the last good lists stay; a file that is not there yet is waited for.
 */
export class CrlFile {
  readonly #options: CrlFileOptions
  #watcher: FSWatcher | undefined
  #timer: Timer | undefined
  /** Digest of what was read last, good or bad. */
  #seen = ''

  constructor(options: CrlFileOptions) {
    this.#options = options
    this.#read()
    this.#watch()
    this.#lookAgainIn(LOOK_MS)
  }

  close(): void {
    this.#watcher?.close()
    this.#timer?.cancel()
  }

  /** The folder is watched, not the file: mounted files are replaced by renaming what is above them. */
  #watch(): void {
    const { path, log } = this.#options
    try {
      this.#watcher = watch(dirname(path), () => this.#lookAgainIn(SETTLE_MS))
      this.#watcher.on('error', (error) => {
        log.warn('changes of revocation lists are noticed late', { path, error: reasonOf(error) })
        this.#watcher?.close()
      })
      this.#watcher.unref()
    } catch (error) {
      log.warn('changes of revocation lists are noticed late', { path, error: reasonOf(error) })
    }
  }

  #lookAgainIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#read()
      this.#lookAgainIn(LOOK_MS)
    })
  }

  #read(): void {
    const lists = this.#newLists()
    if (lists === undefined) return
    const { path, log, onLists, clock } = this.#options
    const certificates = lists.reduce((sum, { serials }) => sum + serials.size, 0)
    log.info('revocation lists read', { path, lists: lists.length, certificates })
    const nowMs = clock.nowMs()
    const expired = lists.filter(({ nextUpdateMs }) => nextUpdateMs !== undefined && nextUpdateMs < nowMs).length
    if (expired > 0) log.warn('revocation lists are past their next update and still count', { path, expired })
    onLists(lists)
  }

  /** Undefined when the file is as it was, or cannot be read; that is told of once. */
  #newLists(): readonly RevocationList[] | undefined {
    const { path, log } = this.#options
    const refuse = (error: unknown): undefined => {
      log.error('revocation lists cannot be read, the last good ones stay', { path, error: reasonOf(error) })
    }
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
    } catch (error) {
      return this.#isSeen(reasonOf(error)) ? undefined : refuse(error)
    }
    if (this.#isSeen(createHash('sha256').update(bytes).digest('hex'))) return undefined
    try {
      return readRevocationLists(bytes)
    } catch (error) {
      return refuse(error)
    }
  }

  #isSeen(digest: string): boolean {
    if (this.#seen === digest) return true
    this.#seen = digest
    return false
  }
}
