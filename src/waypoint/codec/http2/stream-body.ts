import type { MeshError } from '#shared/errors'
import type { H2ErrorCode, H2Stream, HeaderList } from '#shared/http2'
import { ByteBacklog } from '#shared/net'
import type { BodySink, BodySource, Fields } from '../types.ts'
import { readTrailers, writeTrailers } from './list-fields.ts'

/** What comes on a stream, for one sink. The stream's window bounds what waits: it is given back when the sink has it. */
export class StreamSource implements BodySource {
  readonly lengthBytes: number | undefined
  readonly #stream: H2Stream
  /** The owner is told once that nobody wants the rest. */
  readonly #onDiscarded: () => void
  readonly #waiting = new ByteBacklog()
  #sink: BodySink | undefined
  #isPaused = true
  #isFlowing = false
  #isDiscarded = false
  #end: { readonly trailers: Fields | undefined } | undefined
  #failure: MeshError | undefined
  /** Its `end` or `abort` has been said, or nobody is there to say it to. */
  isSettled = false
  receivedBytes = 0

  constructor(stream: H2Stream, lengthBytes: number | undefined, onDiscarded: () => void) {
    this.#stream = stream
    this.lengthBytes = lengthBytes
    this.#onDiscarded = onDiscarded
  }

  get isWanted(): boolean {
    return this.#sink !== undefined && !this.#isDiscarded
  }

  pipe(sink: BodySink): void {
    if (this.#sink !== undefined) throw new Error('a body is piped once')
    this.#sink = sink
    sink.onDrain = this.#flow
    sink.onUnwanted = () => this.discard()
    this.#flow()
  }

  discard(): void {
    if (this.#isDiscarded || this.isSettled) return
    this.#isDiscarded = true
    this.isSettled = true
    // Said by a sink in the middle of what waits: the flow clears it.
    if (!this.#isFlowing) this.#dropWaiting()
    this.#onDiscarded()
  }

  // ---- from the stream

  onData(bytes: Uint8Array, start: number, end: number): void {
    this.receivedBytes += end - start
    if (this.#isDiscarded) this.#stream.consumed(end - start)
    else if (this.#isPaused) this.#waiting.push(bytes, start, end)
    else this.#give(bytes, start, end)
  }

  onEnd(trailers: HeaderList | undefined): void {
    if (this.isSettled) return
    this.#end = { trailers: trailers && readTrailers(trailers) }
    if (!this.#isPaused) this.#settle()
  }

  /** The rest will not come; what waits is dropped, as it would only look like more than it is. */
  onLost(error: MeshError): void {
    if (this.isSettled || this.#end !== undefined) return
    this.#failure = error
    this.#waiting.clear()
    if (this.#sink !== undefined) this.#settle()
  }

  // ---- to the sink

  readonly #flow = (): void => {
    if (this.#isFlowing) return
    this.#isPaused = false
    this.#isFlowing = true
    this.#waiting.drain((bytes, start, end) => {
      if (this.#isPaused || this.#isDiscarded) return 0
      this.#give(bytes, start, end)
      return end - start
    })
    this.#isFlowing = false
    if (this.#isDiscarded) this.#dropWaiting()
    else if (!this.#isPaused) this.#settle()
  }

  #dropWaiting(): void {
    this.#stream.consumed(this.#waiting.bytes)
    this.#waiting.clear()
  }

  #give(bytes: Uint8Array, start: number, end: number): void {
    const goesOn = this.#sink?.write(bytes, start, end) ?? false
    if (!goesOn) this.#isPaused = true
    this.#stream.consumed(end - start)
  }

  #settle(): void {
    const sink = this.#sink
    if (this.isSettled || sink === undefined) return
    if (this.#failure !== undefined) {
      this.isSettled = true
      sink.abort(this.#failure)
    } else if (this.#end !== undefined) {
      this.isSettled = true
      sink.end(this.#end.trailers)
    }
  }
}

/** Where a body goes: onto a stream, as its window allows; what it does not take waits here, one piece beyond it. */
export class StreamSink implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  readonly #stream: H2Stream
  /** RST_STREAM of a body that breaks off. */
  readonly #abortCode: H2ErrorCode
  readonly #onSettled: () => void
  readonly #waiting = new ByteBacklog()
  #end: { readonly trailers: Fields | undefined } | undefined
  #isOver = false
  sentBytes = 0

  /** @param onSettled the last byte is with the engine, or the stream is reset */
  constructor(stream: H2Stream, abortCode: H2ErrorCode, onSettled: () => void) {
    this.#stream = stream
    this.#abortCode = abortCode
    this.#onSettled = onSettled
  }

  get isOver(): boolean {
    return this.#isOver
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#isOver) {
      // A source that was attached behind the end of the stream, and could not be told before.
      this.onUnwanted?.()
      return true
    }
    this.sentBytes += end - start
    const taken = this.#waiting.bytes === 0 ? this.#stream.write(bytes, start, end) : 0
    if (start + taken === end) return true
    this.#waiting.push(bytes, start + taken, end)
    return false
  }

  end(trailers: Fields | undefined): void {
    if (this.#isOver) return
    this.#end = { trailers }
    if (this.#waiting.bytes === 0) this.#finish()
  }

  abort(_error: MeshError): void {
    if (this.#isOver) return
    this.#stream.reset(this.#abortCode)
    this.#stop()
  }

  // ---- from the stream

  onWritable(): void {
    if (this.#isOver || !this.#waiting.drain((bytes, start, end) => this.#stream.write(bytes, start, end))) return
    if (this.#end !== undefined) this.#finish()
    else this.onDrain?.()
  }

  /** The stream is gone, or its other side wants no more. */
  onLost(): void {
    if (this.#isOver) return
    this.#stop()
    this.onUnwanted?.()
  }

  #finish(): void {
    const trailers = this.#end?.trailers
    this.#isOver = true
    this.#stream.end(trailers && writeTrailers(trailers))
    this.#onSettled()
  }

  #stop(): void {
    this.#isOver = true
    this.#waiting.clear()
    this.#onSettled()
  }
}

/** Takes a body that may not be sent (HEAD, 204, 304), or that is none. */
export class NowhereSink implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined

  write(): boolean {
    return true
  }

  end(): void {}

  abort(): void {}
}

/** A body that is none: it ends with its message's head. */
export class EmptySource implements BodySource {
  readonly lengthBytes: number | undefined

  /** @param lengthBytes what is declared of a body that does not come (HEAD, 304) */
  constructor(lengthBytes: number | undefined) {
    this.lengthBytes = lengthBytes
  }

  pipe(sink: BodySink): void {
    sink.end(undefined)
  }

  discard(): void {}
}
