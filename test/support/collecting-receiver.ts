import type { ByteChannel, ByteReceiver } from '#shared/net'

/** Takes what a channel brings, and tells of its ends as promises. */
export class CollectingReceiver implements ByteReceiver {
  readonly #channel: ByteChannel
  readonly #ended = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<Error | undefined>()
  #waitsForWritable: (() => void) | undefined
  readonly #pieces: Buffer[] = []
  receivedBytes = 0
  /** Whether what comes is disposed of at once. */
  isConsuming = true

  constructor(channel: ByteChannel) {
    this.#channel = channel
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString('latin1')
  }

  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Why, or undefined for an orderly end. */
  get closed(): Promise<Error | undefined> {
    return this.#closed.promise
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#pieces.push(Buffer.from(bytes.subarray(start, end)))
    this.receivedBytes += end - start
    if (this.isConsuming) this.#channel.consumed(end - start)
  }

  onEnd(): void {
    this.#ended.resolve()
  }

  onWritable(): void {
    this.#waitsForWritable?.()
  }

  onClosed(error: Error | undefined): void {
    this.#closed.resolve(error)
  }

  /** Writes all of it, as fast as the channel takes it. */
  async writeAll(bytes: Uint8Array, pieceBytes = 16_384): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.#channel.write(bytes, at, Math.min(at + pieceBytes, bytes.length))
      while (this.#channel.isCongested) {
        await new Promise<void>((resolve) => {
          this.#waitsForWritable = resolve
        })
      }
    }
  }
}
