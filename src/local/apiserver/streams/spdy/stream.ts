import { Duplex } from 'node:stream'
import type { SpdyHeaders } from './header-block.ts'

/** What a stream needs of its session. */
export interface StreamOutput {
  data(id: number, payload: Buffer): Promise<void>
  finish(id: number): void
  reset(id: number): void
  consumed(id: number, bytes: number): void
  ended(id: number): void
}

/** One stream, both directions, each of which can end alone. */
export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  readonly #output: StreamOutput
  #waiting: (() => void) | undefined
  #taken = 0

  constructor(id: number, headers: SpdyHeaders, output: StreamOutput) {
    super({ allowHalfOpen: true })
    this.id = id
    this.headers = headers
    this.#output = output
    // Its users hear of errors by their own means; none may end the process.
    this.on('error', () => {})
  }

  /** For the session. @returns resolves when there is room for more */
  deliver(payload: Buffer): Promise<void> | undefined {
    this.#taken += payload.length
    if (this.destroyed || this.push(payload)) return undefined
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  override _read(): void {
    if (this.#taken > 0) this.#output.consumed(this.id, this.#taken)
    this.#taken = 0
    this.#release()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#output.data(this.id, chunk).then(() => done(), done)
  }

  override _final(done: () => void): void {
    this.#output.finish(this.id)
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.writableFinished || !this.readableEnded) this.#output.reset(this.id)
    this.#output.ended(this.id)
    this.#release()
    done(error)
  }

  #release(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }
}
