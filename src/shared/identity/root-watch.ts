import { createHash } from 'node:crypto'
import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'

export interface RootWatchOptions {
  readonly path: string
  readonly clock: Clock
  readonly log: Logger
  /** The file holds other roots than before. */
  readonly onChanged: () => void
}

/** Several changes in a row are one: a mounted ConfigMap is swapped in three steps. */
const SETTLE_MS = 50
/** The file is looked at this often too, as not every file system tells of changes. */
const LOOK_MS = 10_000

/**
 * Follows the file of the CA's roots. A CA that is being replaced changes it when a new root is to be trusted, when the
 * new CA has begun to sign (its root then comes first), and when the old root is gone. A file that cannot be read, or is empty, changes nothing.
 */
export class RootWatch implements Closer {
  readonly #options: RootWatchOptions
  #watcher: FSWatcher | undefined
  #timer: Timer | undefined
  #seen: string | undefined

  constructor(options: RootWatchOptions) {
    this.#options = options
    this.#seen = digestOf(options.path)
    this.#watch()
    this.#lookIn(LOOK_MS)
  }

  async close(): Promise<void> {
    this.#watcher?.close()
    this.#timer?.cancel()
  }

  /** The folder is watched, not the file: mounted files are replaced by renaming what is above them. */
  #watch(): void {
    const { path, log } = this.#options
    const late = (error: unknown): void =>
      log.debug('changes of the roots are noticed late', { path, error: reasonOf(error) })
    try {
      this.#watcher = watch(dirname(path), () => this.#lookIn(SETTLE_MS))
      this.#watcher.on('error', (error) => {
        late(error)
        this.#watcher?.close()
      })
      this.#watcher.unref()
    } catch (error) {
      late(error)
    }
  }

  #lookIn(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#look()
      this.#lookIn(LOOK_MS)
    })
  }

  #look(): void {
    const digest = digestOf(this.#options.path)
    if (digest === undefined || digest === this.#seen) return
    const isFirst = this.#seen === undefined
    this.#seen = digest
    // Who had no roots could not ask for a certificate either.
    if (!isFirst) this.#options.onChanged()
  }
}

function digestOf(path: string): string | undefined {
  try {
    const bytes = readFileSync(path)
    return bytes.includes('-----BEGIN CERTIFICATE-----') ? createHash('sha256').update(bytes).digest('hex') : undefined
  } catch {
    return undefined
  }
}
