import type { MeshError } from '#shared/errors'
import type { BodySink, BodySource, Fields } from '../codec/index.ts'
import type { MessageCounter } from './message-counter.ts'

/** A request's body of which messages are counted on its way. */
export class CountedBody implements BodySource {
  readonly #source: BodySource
  readonly #counter: MessageCounter

  constructor(source: BodySource, counter: MessageCounter) {
    this.#source = source
    this.#counter = counter
  }

  get lengthBytes(): number | undefined {
    return this.#source.lengthBytes
  }

  pipe(sink: BodySink): void {
    this.#source.pipe(new WatchedSink(sink, this.#counter, undefined))
  }

  discard(): void {
    this.#source.discard()
  }
}

/** How an answer ended. */
export type AnswerEnd =
  | { readonly kind: 'complete'; readonly trailers: Fields | undefined }
  | { readonly kind: 'cut'; readonly error: MeshError }
  /** The client wanted no more. */
  | { readonly kind: 'unwanted' }

/** A sink with somebody who looks on; what passes is not changed. */
export class WatchedSink implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  readonly #sink: BodySink
  readonly #counter: MessageCounter | undefined
  readonly #onEnd: ((end: AnswerEnd) => void) | undefined

  constructor(sink: BodySink, counter: MessageCounter | undefined, onEnd: ((end: AnswerEnd) => void) | undefined) {
    this.#sink = sink
    this.#counter = counter
    this.#onEnd = onEnd
    sink.onDrain = () => this.onDrain?.()
    sink.onUnwanted = () => {
      this.onUnwanted?.()
      this.#onEnd?.({ kind: 'unwanted' })
    }
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.#counter?.take(bytes, start, end)
    return this.#sink.write(bytes, start, end)
  }

  end(trailers: Fields | undefined): void {
    this.#sink.end(trailers)
    this.#onEnd?.({ kind: 'complete', trailers })
  }

  abort(error: MeshError): void {
    this.#sink.abort(error)
    this.#onEnd?.({ kind: 'cut', error })
  }
}
