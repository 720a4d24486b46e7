import type { ByteChannel, ByteReceiver } from '#shared/net'

/** A channel whose other end is the test: what is written to it is collected, and the test says what comes. */
export class MemoryChannel implements ByteChannel {
  isCongested = false
  isClosed = false
  /** Octets that were received and not disposed of. */
  unconsumed = 0
  /** This side has ended, or was cut. */
  hasEnded = false
  wasDestroyed = false
  /** Called behind each write. */
  onWritten: () => void = () => {}
  readonly #pieces: Buffer[] = []
  #receiver: ByteReceiver | undefined

  start(receiver: ByteReceiver): void {
    this.#receiver = receiver
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.isClosed || this.hasEnded) return
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
    this.onWritten()
  }

  consumed(bytes: number): void {
    this.unconsumed -= bytes
  }

  end(): void {
    this.hasEnded = true
  }

  destroy(): void {
    if (this.isClosed) return
    this.wasDestroyed = true
    this.#close(undefined)
  }

  // ---- for the test

  /** Everything that was written. */
  get written(): string {
    return Buffer.concat(this.#pieces).toString('latin1')
  }

  /** The buffer is spoiled behind the call, as a shared one is. */
  feed(bytes: Uint8Array): void {
    if (this.isClosed || bytes.length === 0) return
    const shared = Buffer.from(bytes)
    this.unconsumed += bytes.length
    this.#receiver?.onBytes(shared, 0, shared.length)
    shared.fill(0x23)
  }

  feedEnd(): void {
    if (!this.isClosed) this.#receiver?.onEnd()
  }

  /** Both ways are gone. */
  lose(error?: Error): void {
    this.#close(error)
  }

  set congested(isCongested: boolean) {
    this.isCongested = isCongested
    if (!isCongested) this.#receiver?.onWritable()
  }

  #close(error: Error | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    queueMicrotask(() => this.#receiver?.onClosed(error))
  }
}
