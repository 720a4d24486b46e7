import { closeSync, copyFileSync, fstatSync, ftruncateSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** A log file may grow to this many bytes, and one older part of the same length is kept beside it. */
const MAX_BYTES = 8 << 20

/**
 * A log file that children write to directly: the supervisor copies no byte, so a chatty program costs nothing here.
 * Appending makes "copy, then truncate" safe with the descriptor still open in the child; lines written between the two
 * are lost.
 */
export class BoundedLog {
  readonly path: string
  readonly #fd: number
  #isClosed = false

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.path = path
    this.#fd = openSync(path, 'a+', 0o600)
  }

  /** For `spawn`'s stdio. */
  get fd(): number {
    return this.#fd
  }

  /** To be called now and then. */
  trim(): void {
    if (this.#isClosed || fstatSync(this.#fd).size <= MAX_BYTES) return
    copyFileSync(this.path, `${this.path}.1`)
    ftruncateSync(this.#fd, 0)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
  }
}
