import type { MeshError } from '#shared/errors'
import type { BodySink, BodySource, Fields } from '../codec/index.ts'

export type AnswerEnd =
  | { readonly kind: 'complete' }
  /** The endpoint, or the time, did not let it come to its end. */
  | { readonly kind: 'failed'; readonly error: MeshError }
  /** The client wanted no more. */
  | { readonly kind: 'unwanted' }

/** An answer's body on its way to the client, so that its end is seen, and can be brought about. */
export class AnswerBody implements BodySource, BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  readonly #source: BodySource
  readonly #onEnd: (end: AnswerEnd) => void
  #sink: BodySink | undefined
  #isOver = false
  #error: MeshError | undefined

  /** @param onEnd called once */
  constructor(source: BodySource, onEnd: (end: AnswerEnd) => void) {
    this.#source = source
    this.#onEnd = onEnd
  }

  get lengthBytes(): number | undefined {
    return this.#source.lengthBytes
  }

  pipe(sink: BodySink): void {
    if (this.#error !== undefined) {
      sink.abort(this.#error)
      return
    }
    this.#sink = sink
    sink.onDrain = this.#drained
    sink.onUnwanted = this.#refused
    this.#source.pipe(this)
  }

  discard(): void {
    this.#over({ kind: 'unwanted' })
    this.#source.discard()
  }

  /** Cuts it: whoever has got a part of it sees that it is no more. */
  fail(error: MeshError): void {
    if (this.#isOver) return
    this.#error = error
    this.#over({ kind: 'failed', error })
    this.#sink?.abort(error)
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#isOver || this.#sink === undefined) return true
    return this.#sink.write(bytes, start, end)
  }

  end(trailers: Fields | undefined): void {
    if (this.#isOver) return
    this.#over({ kind: 'complete' })
    this.#sink?.end(trailers)
  }

  abort(error: MeshError): void {
    this.fail(error)
  }

  readonly #drained = (): void => this.onDrain?.()

  readonly #refused = (): void => {
    this.#over({ kind: 'unwanted' })
    this.onUnwanted?.()
  }

  #over(end: AnswerEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#onEnd(end)
  }
}
