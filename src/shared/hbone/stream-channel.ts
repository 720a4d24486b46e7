import { MeshError } from '#shared/errors'
import { H2ErrorCode, type H2Stream, type HeaderList } from '#shared/http2'
import { ByteBacklog, type ByteChannel, type ByteReceiver, type Slab } from '#shared/net'
import type { TunnelEnd } from './tunnel-end.ts'

/**
 * One tunnel stream as a channel that another protocol is spoken on. Before `start`, what comes is kept, bounded by the
 * stream's window; what the peer's window does not take waits here, one piece beyond `isCongested`.
 *
 * RST_STREAM NO_ERROR or CANCEL closes it without an error, as an ended tunnel does (reference/hbone-and-ztunnel d.4): who
 * needs the difference looks whether `onEnd` came before.
 */
export class StreamChannel implements ByteChannel, TunnelEnd {
  onAnswer: ((headers: HeaderList, isEnd: boolean) => void) | undefined
  onLost: ((code: number, reason: string) => void) | undefined
  onBrokenOff: (() => void) | undefined

  #stream: H2Stream | undefined
  #receiver: ByteReceiver | undefined
  /** Came before `start`. */
  readonly #early = new ByteBacklog()
  /** Written, and not yet taken by the stream. */
  readonly #outgoing = new ByteBacklog()
  #isReadEnded = false
  #isWriteEnded = false
  #isGone = false
  #closeError: Error | undefined

  attach(stream: H2Stream): void {
    this.#stream = stream
  }

  // ---- for the owner

  start(receiver: ByteReceiver): void {
    if (this.#receiver !== undefined) throw new Error('a channel is started once')
    this.#receiver = receiver
    this.#early.drain((bytes, start, end) => {
      if (!this.#isGone || this.#isReadEnded) receiver.onBytes(bytes, start, end)
      return end - start
    })
    if (this.#isReadEnded) receiver.onEnd()
    if (this.#isGone) this.#tellClosed()
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    const stream = this.#stream
    if (stream === undefined || this.#isGone || this.#isWriteEnded) return
    const taken = this.#outgoing.bytes === 0 ? stream.write(bytes, start, end) : 0
    if (start + taken < end) this.#outgoing.push(bytes, start + taken, end)
  }

  get isCongested(): boolean {
    return this.#outgoing.bytes > 0
  }

  consumed(bytes: number): void {
    this.#stream?.consumed(bytes)
  }

  end(): void {
    if (this.#isGone || this.#isWriteEnded) return
    this.#isWriteEnded = true
    if (this.#outgoing.bytes === 0) this.#sendEnd()
  }

  destroy(): void {
    // CANCEL would be an orderly end for the tunnel of an application.
    this.#breakOff(H2ErrorCode.INTERNAL_ERROR)
  }

  abort(): void {
    this.#breakOff(H2ErrorCode.CANCEL)
  }

  #breakOff(code: H2ErrorCode): void {
    if (this.#isGone) return
    this.#stream?.reset(code)
    this.#close(undefined)
    this.onBrokenOff?.()
  }

  get isClosed(): boolean {
    return this.#isGone
  }

  // ---- from the stream

  onHeaders(headers: HeaderList, isEnd: boolean): void {
    this.onAnswer?.(headers, isEnd)
  }

  onData(slab: Slab, start: number, end: number): void {
    if (this.#receiver !== undefined) this.#receiver.onBytes(slab.buffer, start, end)
    else this.#early.push(slab.buffer, start, end)
  }

  onEnd(): void {
    this.#isReadEnded = true
    this.#receiver?.onEnd()
    this.#closeWhenDone()
  }

  onReset(code: number, reason: string): void {
    const isEnd = code === H2ErrorCode.NO_ERROR || code === H2ErrorCode.CANCEL
    this.#close(isEnd ? undefined : new MeshError('TUNNEL_LOST', `stream reset with code ${code}: ${reason}`))
    this.onBrokenOff?.()
    this.onLost?.(code, reason)
  }

  onWritable(): void {
    const stream = this.#stream
    if (stream === undefined || this.#isGone) return
    if (!this.#outgoing.drain((bytes, start, end) => stream.write(bytes, start, end))) return
    if (this.#isWriteEnded) this.#sendEnd()
    else this.#receiver?.onWritable()
  }

  // ---- the end

  #sendEnd(): void {
    this.#stream?.end()
    this.#closeWhenDone()
  }

  #closeWhenDone(): void {
    if (this.#isReadEnded && this.#isWriteEnded && this.#outgoing.bytes === 0) this.#close(undefined)
  }

  #close(error: Error | undefined): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#closeError = error
    this.#outgoing.clear()
    // Behind the call that led to it: who says `end` or `destroy` is not called back in the middle of it.
    if (this.#receiver !== undefined) queueMicrotask(() => this.#tellClosed())
  }

  #tellClosed(): void {
    this.#receiver?.onClosed(this.#closeError)
  }
}
