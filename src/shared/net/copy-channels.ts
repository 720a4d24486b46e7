import type { ByteChannel, ByteReceiver } from './byte-channel.ts'
import type { ByteMeter, CopyResult } from './slab.ts'

/**
 * Carries bytes between two channels, both ways, until both are done: half-closes are passed on, and one side's bytes are
 * consumed when the other has taken them. A side that breaks off cuts the other, so that what was cut does not look whole.
 */
export class ChannelCopy {
  readonly meter: ByteMeter = { sentBytes: 0, receivedBytes: 0 }
  readonly #opener: Side
  readonly #target: Side
  readonly #result = Promise.withResolvers<CopyResult>()
  #endedBy: CopyResult['endedBy'] = 'end'
  #error: Error | undefined
  #isOver = false

  /** Starts both. */
  constructor(opener: ByteChannel, target: ByteChannel) {
    this.#opener = new Side(opener, target, (bytes) => {
      this.meter.sentBytes += bytes
    })
    this.#target = new Side(target, opener, (bytes) => {
      this.meter.receivedBytes += bytes
    })
    for (const [side, other, name] of [
      [this.#opener, this.#target, 'opener'],
      [this.#target, this.#opener, 'target'],
    ] as const) {
      side.onWritableAgain = () => other.giveBack()
      side.onGone = (error) => this.#onGone(side, other, name, error)
    }
    opener.start(this.#opener)
    target.start(this.#target)
  }

  /** When both ways are done. */
  get done(): Promise<CopyResult> {
    return this.#result.promise
  }

  /** One side has ended and the other has not. */
  get isHalfOpen(): boolean {
    return this.#opener.isEnded !== this.#target.isEnded
  }

  abort(): void {
    if (this.#isOver) return
    this.#endedBy = 'abort'
    this.#opener.cut()
    this.#target.cut()
  }

  #onGone(side: Side, other: Side, name: 'opener' | 'target', error: Error | undefined): void {
    const isWhole = error === undefined && side.isEnded && other.isEnded
    if (!isWhole && this.#endedBy === 'end' && !other.isGone) {
      this.#endedBy = name
      this.#error = error
    }
    if (!isWhole) other.cut()
    if (!other.isGone || this.#isOver) return
    this.#isOver = true
    this.#result.resolve({ meter: this.meter, endedBy: this.#endedBy, error: this.#error })
  }
}

/** What comes from one channel and goes to the other. */
class Side implements ByteReceiver {
  readonly #from: ByteChannel
  readonly #to: ByteChannel
  readonly #count: (bytes: number) => void
  /** Written to a channel that had too much already. */
  #heldBytes = 0
  isEnded = false
  isGone = false
  onWritableAgain: (() => void) | undefined
  onGone: ((error: Error | undefined) => void) | undefined

  constructor(from: ByteChannel, to: ByteChannel, count: (bytes: number) => void) {
    this.#from = from
    this.#to = to
    this.#count = count
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#count(end - start)
    this.#to.write(bytes, start, end)
    this.#heldBytes += end - start
    if (!this.#to.isCongested) this.giveBack()
  }

  /** The other channel has room again: what it was given is off our hands. */
  giveBack(): void {
    const bytes = this.#heldBytes
    this.#heldBytes = 0
    if (bytes > 0) this.#from.consumed(bytes)
  }

  onEnd(): void {
    this.isEnded = true
    this.#to.end()
  }

  onWritable(): void {
    this.onWritableAgain?.()
  }

  onClosed(error: Error | undefined): void {
    this.isGone = true
    this.onGone?.(error)
  }

  cut(): void {
    if (!this.isGone) this.#from.destroy()
  }
}
