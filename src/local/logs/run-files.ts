import { closeSync, existsSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

/** Bounds of what one run of a container keeps. */
export interface LogLimits {
  readonly fileBytes: number
  /** Kept beside the file that is being written. */
  readonly olderFiles: number
}

/** One file of a run. Its name changes as files are rotated; who has opened it goes on reading. */
export interface LogPart {
  /** Grows with each rotation. */
  readonly sequence: number
  /** All of it is whole records. */
  bytes: number
}

/**
 * The files of one run: `<run>.log`, and `<run>.log.1`, `<run>.log.2`… with older records. One object writes and serves
 * all readers, so they are told of each change and nobody has to look at the disk for it.
 */
export class RunFiles {
  readonly run: number
  readonly #dir: string
  readonly #limits: LogLimits
  readonly #failed: (error: unknown) => void
  readonly #waiting = new Set<() => void>()
  /** The oldest first; empty until something is written. */
  #parts: LogPart[]
  #file: FileHandle | undefined
  #writing: Promise<void> = Promise.resolve()
  #isOpen = false

  /** Takes up what is there of an earlier life. */
  constructor(dir: string, run: number, limits: LogLimits, failed: (error: unknown) => void) {
    this.run = run
    this.#dir = dir
    this.#limits = limits
    this.#failed = failed
    const there: LogPart[] = []
    for (let age = limits.olderFiles; age >= 0; age--) {
      const stat = statSync(this.#path(age), { throwIfNoEntry: false })
      if (stat !== undefined) there.push({ sequence: -age, bytes: stat.size })
    }
    this.#parts = there
  }

  /** The oldest first. */
  get parts(): readonly LogPart[] {
    return this.#parts
  }

  /** Whether those who follow may wait for more. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** A run that says nothing leaves an empty file: it was there. */
  begin(): void {
    this.#isOpen = true
    try {
      closeSync(openSync(this.#path(0), 'a', 0o600))
      this.#newest()
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Whole records, in the order of calls. Never rejects: what cannot be written is dropped and told. */
  append(records: Buffer): Promise<void> {
    if (records.length === 0) return Promise.resolve()
    this.#writing = this.#writing.then(() => this.#write(records).catch(this.#failed))
    return this.#writing
  }

  /** No more comes; resolves when everything is on disk. */
  async finish(): Promise<void> {
    await this.#writing
    await this.#file?.close().catch(this.#failed)
    this.#file = undefined
    await this.endFollowers()
  }

  /** Resolves with the next change, or when `signal` aborts. */
  change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      if (signal.aborted) return resolve()
      signal.addEventListener('abort', done)
      this.#waiting.add(done)
    })
  }

  /** Who follows gets what is there, then the end. */
  async endFollowers(): Promise<void> {
    await this.#writing
    this.#isOpen = false
    this.#wake()
  }

  #wake(): void {
    for (const resolve of [...this.#waiting]) resolve()
  }

  /** A descriptor of that part, for the caller to close; undefined when it is no longer kept. */
  openPart(part: LogPart): number | undefined {
    const index = this.#parts.indexOf(part)
    if (index < 0) return undefined
    try {
      // At once, as a rotation may rename it next.
      return openSync(this.#path(this.#parts.length - 1 - index), 'r')
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  remove(): void {
    for (let age = 0; age <= this.#limits.olderFiles; age++) rmSync(this.#path(age), { force: true })
  }

  async #write(records: Buffer): Promise<void> {
    const last = this.#parts.at(-1)
    if (last !== undefined && last.bytes > 0 && last.bytes + records.length > this.#limits.fileBytes) {
      await this.#rotate()
    }
    this.#file ??= await open(this.#path(0), 'a', 0o600)
    const part = this.#newest()
    try {
      for (let at = 0; at < records.length; ) {
        at += (await this.#file.write(records, at, records.length - at)).bytesWritten
      }
    } catch (error) {
      // A full disk may have taken a part of it.
      await this.#file.truncate(part.bytes)
      throw error
    }
    part.bytes += records.length
    this.#wake()
  }

  #newest(): LogPart {
    const newest = this.#parts.at(-1) ?? { sequence: 0, bytes: 0 }
    if (this.#parts.length === 0) this.#parts.push(newest)
    return newest
  }

  async #rotate(): Promise<void> {
    const sequence = this.#newest().sequence + 1
    await this.#file?.close()
    this.#file = undefined
    for (let age = this.#limits.olderFiles - 1; age >= 0; age--) {
      if (existsSync(this.#path(age))) renameSync(this.#path(age), this.#path(age + 1))
    }
    if (this.#limits.olderFiles === 0) rmSync(this.#path(0), { force: true })
    // A reader that finds the new part must find its file, too.
    closeSync(openSync(this.#path(0), 'a', 0o600))
    this.#parts = [...this.#parts, { sequence, bytes: 0 }].slice(-(this.#limits.olderFiles + 1))
  }

  #path(age: number): string {
    return join(this.#dir, age === 0 ? `${this.run}.log` : `${this.run}.log.${age}`)
  }
}
