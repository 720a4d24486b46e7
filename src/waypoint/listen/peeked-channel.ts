import { ByteBacklog, type ByteChannel, type ByteReceiver } from '#shared/net'

/** Who looks at the first bytes of a channel. */
export interface Onlooker {
  /** What has come so far, more with each call; true = seen enough. */
  onFirstBytes(bytes: Uint8Array): boolean
  /** The client has said everything, or is gone, before enough was seen. */
  onNothingMore(): void
}

/**
 * A channel whose first bytes somebody looks at before its owner gets it, who then gets them as if nobody had. Bytes that
 * come before the owner has started count as unconsumed, so that the channel's own bound holds for them.
 */
export class PeekedChannel implements ByteChannel, ByteReceiver {
  readonly #channel: ByteChannel
  readonly #onGone: () => void
  #onlooker: Onlooker | undefined
  #receiver: ByteReceiver | undefined
  /** For the onlooker: in one piece. */
  #first: Buffer = Buffer.alloc(0)
  #firstBytes = 0
  /** Behind what the onlooker has seen. */
  readonly #held = new ByteBacklog()
  #hasBegun = false
  #isEnded = false
  #isGone = false
  #error: Error | undefined

  /** @param onGone both ways are gone, whoever has the channel by then */
  constructor(channel: ByteChannel, onGone: () => void) {
    this.#channel = channel
    this.#onGone = onGone
  }

  /** Begins to read. */
  look(onlooker: Onlooker): void {
    this.#onlooker = onlooker
    this.#begin()
  }

  /** Nobody looks any more. */
  lookAway(): void {
    this.#onlooker = undefined
  }

  // ---- for the owner

  start(receiver: ByteReceiver): void {
    if (this.#receiver !== undefined) throw new Error('a channel is started once')
    this.#receiver = receiver
    if (this.#firstBytes > 0) receiver.onBytes(this.#first, 0, this.#firstBytes)
    this.#first = Buffer.alloc(0)
    this.#held.drain((bytes, start, end) => {
      receiver.onBytes(bytes, start, end)
      return end - start
    })
    if (this.#isEnded) receiver.onEnd()
    if (this.#isGone) receiver.onClosed(this.#error)
    else this.#begin()
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    this.#channel.write(bytes, start, end)
  }

  get isCongested(): boolean {
    return this.#channel.isCongested
  }

  consumed(bytes: number): void {
    this.#channel.consumed(bytes)
  }

  end(): void {
    this.#channel.end()
  }

  destroy(): void {
    this.#channel.destroy()
    // Without a start nothing is told: what is over before it was begun ends here.
    this.#begin()
  }

  get isClosed(): boolean {
    return this.#channel.isClosed
  }

  // ---- from the channel

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.#receiver !== undefined) this.#receiver.onBytes(bytes, start, end)
    else if (this.#onlooker !== undefined) this.#gather(bytes, start, end)
    else this.#held.push(bytes, start, end)
  }

  onEnd(): void {
    this.#isEnded = true
    this.#receiver?.onEnd()
    this.#tellNothingMore()
  }

  onWritable(): void {
    this.#receiver?.onWritable()
  }

  onClosed(error: Error | undefined): void {
    this.#isGone = true
    this.#error = error
    this.#receiver?.onClosed(error)
    this.#tellNothingMore()
    this.#onGone()
  }

  #begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#channel.start(this)
  }

  #gather(bytes: Uint8Array, start: number, end: number): void {
    const total = this.#firstBytes + end - start
    if (total > this.#first.length) {
      const larger = Buffer.allocUnsafe(Math.max(total, 2 * this.#first.length))
      this.#first.copy(larger, 0, 0, this.#firstBytes)
      this.#first = larger
    }
    this.#first.set(bytes.subarray(start, end), this.#firstBytes)
    this.#firstBytes = total
    const onlooker = this.#onlooker
    if (onlooker?.onFirstBytes(this.#first.subarray(0, total)) && this.#onlooker === onlooker) this.lookAway()
  }

  #tellNothingMore(): void {
    const onlooker = this.#onlooker
    this.#onlooker = undefined
    onlooker?.onNothingMore()
  }
}
