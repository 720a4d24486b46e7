import { Duplex } from 'node:stream'
import type { ByteChannel, ByteReceiver } from '#shared/net'

type Done = (error?: Error | null) => void

/**
 * A channel as the transport of Node's TLS, where that is spoken inside of a tunnel. What came waits in the channel's
 * window until TLS reads it; one write is under way at a time.
 */
export class ChannelDuplex extends Duplex implements ByteReceiver {
  readonly #channel: ByteChannel
  /** Came, and not yet asked for. */
  readonly #waiting: Buffer[] = []
  #isAskedFor = false
  #isEnded = false
  #written: Done | undefined

  constructor(channel: ByteChannel) {
    super({ allowHalfOpen: true })
    this.#channel = channel
    // Who uses it hears of its end by 'close'; without a listener an error would end the process.
    this.on('error', () => {})
    channel.start(this)
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#waiting.push(Buffer.from(bytes.subarray(start, end)))
    this.#deliver()
  }

  onEnd(): void {
    this.#isEnded = true
    this.#deliver()
  }

  onWritable(): void {
    this.#settleWrite(null)
  }

  onClosed(error: Error | undefined): void {
    this.#settleWrite(error ?? new Error('the channel is closed'))
    if (error !== undefined || !this.#isEnded) this.destroy(error)
  }

  override _read(): void {
    this.#isAskedFor = true
    this.#deliver()
  }

  #deliver(): void {
    while (this.#isAskedFor) {
      const piece = this.#waiting.shift()
      if (piece === undefined) break
      this.#isAskedFor = this.push(piece)
      this.#channel.consumed(piece.length)
    }
    if (this.#isAskedFor && this.#isEnded && this.#waiting.length === 0) this.push(null)
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    if (this.#channel.isClosed) {
      done(new Error('the channel is closed'))
      return
    }
    this.#channel.write(chunk, 0, chunk.length)
    if (this.#channel.isCongested) this.#written = done
    else done()
  }

  override _final(done: Done): void {
    this.#channel.end()
    done()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#waiting.length = 0
    this.#settleWrite(error ?? new Error('given up'))
    this.#channel.destroy()
    done(error)
  }

  #settleWrite(error: Error | null): void {
    const written = this.#written
    this.#written = undefined
    written?.(error)
  }
}
