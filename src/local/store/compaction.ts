import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { readFolder } from './folder.ts'
import type { Journal } from './journal.ts'
import { type Snapshot, writeSnapshot } from './snapshot.ts'

/** Snapshots that stay, with the journal since the older one: should the newer not read, nothing is lost. */
const KEPT_SNAPSHOTS = 2

/** Replaces a long journal by a snapshot, beside the writes that go on. */
export class Compaction {
  readonly #dir: string
  readonly #atBytes: number
  readonly #journal: Journal
  readonly #logger: Logger
  readonly #capture: () => Snapshot
  #running: Promise<void> | undefined

  constructor(dir: string, atBytes: number, journal: Journal, logger: Logger, capture: () => Snapshot) {
    this.#dir = dir
    this.#atBytes = atBytes
    this.#journal = journal
    this.#logger = logger
    this.#capture = capture
  }

  consider(): void {
    if (this.#running !== undefined || this.#journal.segmentBytes < this.#atBytes) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
    })
  }

  settled(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  /** A failure leaves journal and older snapshot as they are, so it costs only space; the next write tries again. */
  async #run(): Promise<void> {
    try {
      await this.#journal.rotate()
      const snapshot = this.#capture()
      await writeSnapshot(this.#dir, snapshot, this.#journal.settled())
      await this.#removeOld()
    } catch (error) {
      this.#logger.warn('no snapshot could be made', { dir: this.#dir, error: reasonOf(error) })
    }
  }

  async #removeOld(): Promise<void> {
    const { segments, snapshots } = await readFolder(this.#dir)
    const oldest = snapshots.at(-KEPT_SNAPSHOTS)
    if (oldest === undefined) return
    const unneeded = [
      ...snapshots.filter(({ revision }) => revision < oldest.revision),
      ...segments.filter((_, i) => (segments[i + 1]?.revision ?? Number.POSITIVE_INFINITY) <= oldest.revision + 1),
    ]
    for (const { name } of unneeded) await rm(join(this.#dir, name))
  }
}
