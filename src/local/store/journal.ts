import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError, reasonOf } from '#shared/errors'
import { segmentName, syncFolder } from './folder.ts'
import type { Revision } from './types.ts'

/** Writes that may wait for the disk before new ones are refused. */
const MAX_PENDING_BYTES = 256 * 1024 * 1024

/** `always`: fdatasync before a write counts as durable. `never`: the kernel's own time; survives a killed process. */
export type SyncMode = 'always' | 'never'

interface Batch {
  readonly lines: string[]
  firstRevision: Revision
  lastRevision: Revision
  readonly done: PromiseWithResolvers<void>
}

/**
 * The end of the journal that is written to. Lines that come while the disk is busy go out together, with one sync for
 * all of them. After the first failure nothing more is taken: memory would run away from the disk.
 */
export class Journal {
  readonly #dir: string
  readonly #sync: SyncMode
  readonly #written: (revision: Revision) => void
  #file: FileHandle
  #segmentBytes: number
  #next: Batch | undefined
  /** What is being written. */
  #current: Batch | undefined
  #pendingBytes = 0
  #running: Promise<void> | undefined
  #failure: MeshError | undefined
  #rotation: { readonly done: PromiseWithResolvers<void> } | undefined

  private constructor(settings: JournalSettings, file: FileHandle, segmentBytes: number) {
    this.#dir = settings.dir
    this.#sync = settings.sync
    this.#written = settings.written
    this.#file = file
    this.#segmentBytes = segmentBytes
  }

  /** @param segment the file to go on with, whose end is whole */
  static async open(settings: JournalSettings, segment: string): Promise<Journal> {
    const file = await open(join(settings.dir, segment), 'a', 0o600)
    if (settings.sync === 'always') await syncFolder(settings.dir)
    return new Journal(settings, file, (await file.stat()).size)
  }

  get isWritable(): boolean {
    return this.#failure === undefined
  }

  get segmentBytes(): number {
    return this.#segmentBytes
  }

  /**
   * Takes one record; the promise is that of WriteResult.durable.
   *
   * @throws MeshError `STORE_FAILED` when an earlier one could not be written, or too much waits
   */
  append(line: string, revision: Revision): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#pendingBytes > MAX_PENDING_BYTES)
      throw new MeshError('STORE_FAILED', `more than ${MAX_PENDING_BYTES} bytes wait for the disk`)
    this.#pendingBytes += line.length
    this.#next ??= newBatch(revision)
    this.#next.lines.push(line)
    this.#next.lastRevision = revision
    const { promise } = this.#next.done
    this.#running ??= this.#run()
    return promise
  }

  /** Resolves when all that was appended is durable. */
  settled(): Promise<void> {
    return (this.#next ?? this.#current)?.done.promise ?? Promise.resolve()
  }

  /** The next batch begins a new segment. Resolves when it can be relied on that later records go there. */
  rotate(): Promise<void> {
    this.#rotation ??= { done: Promise.withResolvers() }
    const { promise } = this.#rotation.done
    promise.catch(() => undefined)
    return promise
  }

  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running
    this.#failure ??= new MeshError('STORE_FAILED', 'the store is closed')
    this.#rotation?.done.reject(this.#failure)
    await this.#file.close()
  }

  async #run(): Promise<void> {
    await undefined // What is written in the same turn goes into one batch.
    while (this.#next !== undefined) {
      this.#current = this.#next
      this.#next = undefined
      await this.#writeBatch(this.#current)
      this.#current = undefined
    }
    this.#running = undefined
  }

  async #writeBatch(batch: Batch): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#rotation !== undefined) await this.#startSegment(batch.firstRevision)
      const bytes = Buffer.from(batch.lines.join(''))
      await writeAll(this.#file, bytes)
      if (this.#sync === 'always') await this.#file.datasync()
      this.#segmentBytes += bytes.length
    } catch (cause) {
      this.#failure ??= new MeshError('STORE_FAILED', `the journal cannot be written: ${reasonOf(cause)}`, { cause })
      batch.done.reject(this.#failure)
      return
    } finally {
      for (const line of batch.lines) this.#pendingBytes -= line.length
    }
    batch.done.resolve()
    this.#written(batch.lastRevision)
  }

  async #startSegment(first: Revision): Promise<void> {
    const old = this.#file
    this.#file = await open(join(this.#dir, segmentName(first)), 'ax', 0o600)
    this.#segmentBytes = 0
    await syncFolder(this.#dir)
    await old.close()
    this.#rotation?.done.resolve()
    this.#rotation = undefined
  }
}

export interface JournalSettings {
  readonly dir: string
  readonly sync: SyncMode
  /** Everything up to this revision is durable. */
  readonly written: (revision: Revision) => void
}

function newBatch(revision: Revision): Batch {
  const done = Promise.withResolvers<void>()
  // Whoever does not wait for its write must not end the process by that.
  done.promise.catch(() => undefined)
  return { lines: [], firstRevision: revision, lastRevision: revision, done }
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at)).bytesWritten
}
