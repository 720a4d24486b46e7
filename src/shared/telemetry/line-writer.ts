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
 * Bytes of one write by another thread. A pipe takes a write of at most PIPE_BUF (4,096, pipe(7)) whole or not at all, so
 * that a line written by the event loop while that one still waits cannot land in the middle of it. It may overtake it:
 * nobody can wait for a thread's write without the loop.
 */
const PIPE_CHUNK_BYTES = 4096

/** The same for a regular file, where nobody reads and no write waits. */
const FILE_CHUNK_BYTES = 64 * 1024

/** What a UTF-16 unit needs at most. */
const MAX_UTF8_BYTES = 3

/** How long a line may wait for others to be written with: each write wakes another thread, which costs more than a line. */
const GATHER_MS = 10

/** Wait before trying again when the reader of a non-blocking descriptor is slow. */
const RETRY_MS = 5

/** Whole lines that are written at once. */
interface Chunk {
  readonly bytes: Uint8Array
  readonly lines: number
}

/**
 * Writes lines to a descriptor without making the event loop wait, never dropping one: when `MAX_WAITING_LINES` wait,
 * the next line is written at once together with them, however long the reader takes. A file takes what it gets without
 * waiting for anybody, so that it is written without another thread, which would cost more than the lines. So is a line
 * that is longer than a pipe takes in one piece, which is rare: the loop waits until the reader has it.
 *
 * A line becomes bytes when it comes: its string, made of dozens of pieces, would live until it is written, and long
 * enough for the collector to move all of them.
 */
export class LineWriter implements LineOutput {
  readonly #fd: number
  readonly #clock: Clock
  readonly #isFile: boolean
  /** Filled from its start. */
  #open: Buffer
  #openBytes = 0
  #openLines = 0
  /** Full ones, of a pipe. */
  #full: Chunk[] = []
  #waitingLines = 0
  /** Another thread writes, or a part is to be tried again. */
  #isWriting = false
  #again: { readonly bytes: Uint8Array; readonly timer: Timer } | undefined
  #gathering: Timer | undefined
  #isBroken = false
  readonly #flushed: (() => void)[] = []
  /** How often the bound was touched. */
  backPressureCount = 0

  constructor(fd: number, clock: Clock) {
    this.#fd = fd
    this.#clock = clock
    this.#isFile = isRegularFile(fd)
    this.#open = Buffer.allocUnsafeSlow(this.#isFile ? FILE_CHUNK_BYTES : PIPE_CHUNK_BYTES)
  }

  line(text: string): void {
    if (this.#isBroken) return
    this.#take(text)
    this.#waitingLines++
    if (this.#waitingLines >= MAX_WAITING_LINES) {
      this.backPressureCount++
      this.flushNow()
    } else if (this.#full.length > 0) this.#pump()
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
    this.#finishPart()
    for (const { bytes } of this.#full.splice(0)) this.#writeNow(bytes)
    this.#writeNow(this.#open.subarray(0, this.#openBytes))
    this.#openBytes = 0
    this.#openLines = 0
    this.#waitingLines = 0
  }

  /** Appends a line to the open chunk, or closes that one first; a line longer than a chunk is one of its own. */
  #take(text: string): void {
    const room = this.#open.length - this.#openBytes
    if (text.length * MAX_UTF8_BYTES > room) {
      const bytes = Buffer.byteLength(text)
      if (bytes > room) this.#close()
      if (bytes > this.#open.length) {
        this.#full.push({ bytes: Buffer.from(text), lines: 1 })
        return
      }
    }
    this.#openBytes += this.#open.write(text, this.#openBytes)
    this.#openLines++
  }

  #close(): void {
    if (this.#openBytes === 0) return
    this.#full.push({ bytes: this.#open.subarray(0, this.#openBytes), lines: this.#openLines })
    this.#open = Buffer.allocUnsafeSlow(this.#open.length)
    this.#openBytes = 0
    this.#openLines = 0
  }

  #pump(): void {
    this.#gathering?.cancel()
    this.#gathering = undefined
    if (this.#isWriting) return
    if (this.#isFile) this.flushNow()
    if (this.#full.length === 0) this.#close()
    for (let chunk = this.#full.shift(); chunk !== undefined; chunk = this.#full.shift()) {
      this.#waitingLines -= chunk.lines
      if (chunk.bytes.length <= PIPE_CHUNK_BYTES) {
        this.#isWriting = true
        this.#write(chunk.bytes)
        return
      }
      this.#writeNow(chunk.bytes)
      if (this.#full.length === 0) this.#close()
    }
    this.#settle()
  }

  #write(bytes: Uint8Array): void {
    write(this.#fd, bytes, (error, written) => {
      if (error !== null && !isRetry(error)) {
        this.#break()
        return
      }
      const rest = error === null ? bytes.subarray(written) : bytes
      if (rest.length > 0) {
        this.#writeAgain(rest, error === null ? 0 : RETRY_MS)
        return
      }
      this.#isWriting = false
      this.#pump()
    })
  }

  #writeAgain(bytes: Uint8Array, afterMs: number): void {
    const tryIt = (): void => {
      this.#again = undefined
      this.#write(bytes)
    }
    this.#again = { bytes, timer: this.#clock.setTimer(afterMs, tryIt, true) }
  }

  /** What a slow reader has left of a chunk comes before all else, or that would land in the middle of a line. */
  #finishPart(): void {
    if (this.#again === undefined) return
    const { bytes, timer } = this.#again
    timer.cancel()
    this.#again = undefined
    this.#writeNow(bytes)
    this.#isWriting = false
    // Those who wait for what is written now hear of it on the loop, as ever.
    this.#gathering ??= this.#clock.setTimer(0, () => this.#pump(), true)
  }

  #writeNow(all: Uint8Array): void {
    for (let bytes = all; bytes.length > 0 && !this.#isBroken; ) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes))
      } catch (error) {
        if (isRetry(error)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
        else this.#break()
      }
    }
  }

  /** The reader is gone for good (EPIPE, EBADF): a log that nobody can read must not stop the traffic. */
  #break(): void {
    this.#isBroken = true
    this.#isWriting = false
    this.#full = []
    this.#openBytes = 0
    this.#openLines = 0
    this.#waitingLines = 0
    this.#settle()
  }

  #isIdle(): boolean {
    return !this.#isWriting && this.#waitingLines === 0
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
