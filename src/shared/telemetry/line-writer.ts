import { fstatSync, write, writeSync } from 'node:fs'
import type { Clock, Timer } from '#shared/clock'

/** Where finished lines go. */
export interface LineOutput {
  /** One line, its end included. */
  line(text: string): void
}

/** Lines that may wait; past this the program waits for the reader, as ztunnel does. */
const MAX_WAITING_LINES = 10_000

/**
 * Bytes of one write. A pipe takes a write of at most PIPE_BUF (4,096, pipe(7)) whole or not at all, so that a line
 * written by the event loop while another write still waits cannot land in the middle of one.
 */
const MAX_CHUNK_CHARACTERS = 4096

/** The same for a regular file, where nobody reads and no write waits. */
const MAX_FILE_CHUNK_CHARACTERS = 64 * 1024

/** How long a line may wait for others to be written with: each write wakes another thread, which costs more than a line. */
const GATHER_MS = 10

/** Wait before trying again when the reader of a non-blocking descriptor is slow. */
const RETRY_MS = 5

/**
 * Writes lines to a descriptor without making the event loop wait, never dropping one: when `MAX_WAITING_LINES` wait,
 * the next line is written at once together with them, however long the reader takes. A file takes what it gets without
 * waiting for anybody, so that it is written without another thread, which would cost more than the lines.
 */
export class LineWriter implements LineOutput {
  readonly #fd: number
  readonly #clock: Clock
  readonly #isFile: boolean
  #waiting: string[] = []
  #waitingCharacters = 0
  #isWriting = false
  #gathering: Timer | undefined
  #isBroken = false
  readonly #flushed: (() => void)[] = []
  /** How often the bound was touched. */
  backPressureCount = 0

  constructor(fd: number, clock: Clock) {
    this.#fd = fd
    this.#clock = clock
    this.#isFile = isRegularFile(fd)
  }

  line(text: string): void {
    if (this.#isBroken) return
    this.#waiting.push(text)
    this.#waitingCharacters += text.length
    if (this.#waiting.length >= MAX_WAITING_LINES) {
      this.backPressureCount++
      this.flushNow()
    } else if (this.#waitingCharacters >= (this.#isFile ? MAX_FILE_CHUNK_CHARACTERS : MAX_CHUNK_CHARACTERS))
      this.#pump()
    else this.#gathering ??= this.#clock.setTimer(GATHER_MS, () => this.#pump(), true)
  }

  /** Resolves when everything written so far has been handed to the kernel. */
  flush(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#flushed.push(resolve)
      this.#pump()
    })
  }

  /** Hands everything to the kernel before it returns; for the bound, and for a process that is about to end. */
  flushNow(): void {
    const text = this.#waiting.join('')
    this.#waiting = []
    this.#waitingCharacters = 0
    let bytes: Uint8Array = Buffer.from(text)
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes))
      } catch (error) {
        if (!isRetry(error)) {
          this.#break()
          return
        }
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
      }
    }
  }

  #pump(): void {
    this.#gathering?.cancel()
    this.#gathering = undefined
    if (this.#isWriting) return
    if (this.#isFile) this.flushNow()
    if (this.#waiting.length === 0) {
      this.#settle()
      return
    }
    this.#isWriting = true
    this.#write(Buffer.from(this.#takeChunk()))
  }

  #write(bytes: Uint8Array): void {
    write(this.#fd, bytes, (error, written) => {
      if (error !== null && !isRetry(error)) {
        this.#break()
        return
      }
      const rest = error === null ? bytes.subarray(written) : bytes
      if (rest.length > 0) {
        this.#clock.setTimer(error === null ? 0 : RETRY_MS, () => this.#write(rest), true)
        return
      }
      this.#isWriting = false
      this.#pump()
    })
  }

  /** Whole lines of at most `MAX_CHUNK_CHARACTERS`; a longer line goes alone. */
  #takeChunk(): string {
    let characters = 0
    let count = 0
    for (const line of this.#waiting) {
      if (count > 0 && characters + line.length > MAX_CHUNK_CHARACTERS) break
      characters += line.length
      count++
    }
    this.#waitingCharacters -= characters
    return this.#waiting.splice(0, count).join('')
  }

  /** The reader is gone for good (EPIPE, EBADF): a log that nobody can read must not stop the traffic. */
  #break(): void {
    this.#isBroken = true
    this.#isWriting = false
    this.#waiting = []
    this.#waitingCharacters = 0
    this.#settle()
  }

  #isIdle(): boolean {
    return !this.#isWriting && this.#waiting.length === 0
  }

  #settle(): void {
    for (const resolve of this.#flushed.splice(0)) resolve()
  }
}

/** False also for a descriptor that is gone: the first write tells. */
function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile()
  } catch {
    return false
  }
}

function isRetry(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code
  return code === 'EAGAIN' || code === 'EINTR'
}
