import type { ByteChannel, ByteReceiver } from '#shared/net'

/** Written and not yet consumed by the other end, from which on a channel is congested. */
const WINDOW_BYTES = 64 * 1024

/** Both ends of a connection in memory; what one end writes arrives behind the current turn. */
export function channelPair(): readonly [MemoryChannel, MemoryChannel] {
  const one = new MemoryChannel()
  const other = new MemoryChannel()
  one.peer = other
  other.peer = one
  return [one, other]
}

export class MemoryChannel implements ByteChannel {
  peer: MemoryChannel | undefined
  isClosed = false
  /** Calls of `write` and what they wrote, before any is delivered. */
  readonly written: Buffer[] = []
  #receiver: ByteReceiver | undefined
  readonly #incoming: (Buffer | 'end' | 'reset')[] = []
  #isDue = false
  #hasEnded = false
  #peerHasEnded = false
  /** Sent and not consumed there. */
  #inFlightBytes = 0
  #isHeld = false
  /** Received and not reported as consumed. */
  #owedBytes = 0

  start(receiver: ByteReceiver): void {
    this.#receiver = receiver
    this.#deliverSoon()
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.isClosed || this.#hasEnded || end === start) return
    const copy = Buffer.from(bytes.subarray(start, end))
    this.written.push(copy)
    this.#inFlightBytes += copy.length
    if (this.#inFlightBytes >= WINDOW_BYTES) this.#isHeld = true
    this.#other.#arrive(copy)
  }

  get isCongested(): boolean {
    return this.#isHeld
  }

  consumed(bytes: number): void {
    this.#owedBytes -= bytes
    if (this.#owedBytes < 0) throw new Error('more was consumed than came')
    this.#other.#release(bytes)
  }

  end(): void {
    if (this.isClosed || this.#hasEnded) return
    this.#hasEnded = true
    this.#other.#arrive('end')
    this.#closeWhenDone()
  }

  destroy(): void {
    if (this.isClosed) return
    this.#other.#arrive('reset')
    this.#close()
  }

  get #other(): MemoryChannel {
    if (this.peer === undefined) throw new Error('a channel has two ends')
    return this.peer
  }

  #arrive(what: Buffer | 'end' | 'reset'): void {
    if (this.isClosed) return
    this.#incoming.push(what)
    this.#deliverSoon()
  }

  #release(bytes: number): void {
    this.#inFlightBytes -= bytes
    if (!this.#isHeld || this.#inFlightBytes * 2 > WINDOW_BYTES) return
    this.#isHeld = false
    queueMicrotask(() => {
      if (!this.isClosed) this.#receiver?.onWritable()
    })
  }

  #deliverSoon(): void {
    if (this.#isDue || this.#receiver === undefined) return
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      for (let what = this.#incoming.shift(); what !== undefined; what = this.#incoming.shift()) this.#deliver(what)
    })
  }

  #deliver(what: Buffer | 'end' | 'reset'): void {
    if (this.isClosed) return
    if (what === 'end') {
      this.#peerHasEnded = true
      this.#receiver?.onEnd()
      this.#closeWhenDone()
    } else if (what === 'reset') this.#close()
    else {
      this.#owedBytes += what.length
      this.#receiver?.onBytes(what, 0, what.length)
    }
  }

  #closeWhenDone(): void {
    if (this.#hasEnded && this.#peerHasEnded) this.#close()
  }

  #close(): void {
    if (this.isClosed) return
    this.isClosed = true
    queueMicrotask(() => this.#receiver?.onClosed(undefined))
  }
}
