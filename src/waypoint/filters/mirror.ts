import { MeshError } from '#shared/errors'
import type { Backend } from '#shared/l7'
import type { BodySink, BodySource, Fields, RequestHead } from '../codec/index.ts'

/**
 * Sends a copy of a request and throws the answer away, within its own bounds of time. It gives where the body goes, also
 * when there is none; it may take its time, and fail.
 */
export type SendMirror = (
  to: Backend,
  request: RequestHead,
  lengthBytes: number | undefined,
) => BodySink | Promise<BodySink>

/** What a copy may be behind the request before it is given up. */
export const MOST_BEHIND_BYTES = 65_536

/** Its own head, since the request's goes on being changed. */
export function copyOfHead({ version, method, scheme, authority, target, upgrade, fields }: RequestHead): RequestHead {
  return { version, method, scheme, authority, target, upgrade, fields: fields.copy() }
}

/** One copy's body. Whatever happens to it, who writes never waits and never learns. */
export class MirrorCopy {
  readonly #onEnded: () => void
  #sink: BodySink | undefined
  #isCongested = false
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #end: { readonly trailers: Fields | undefined } | undefined
  #isOver = false

  /** @param onEnded called once, when nothing more will be done */
  constructor(sink: BodySink | Promise<BodySink>, onEnded: () => void) {
    this.#onEnded = onEnded
    if (!('then' in sink)) this.#attach(sink)
    else
      sink.then(
        (made) => this.#attach(made),
        () => this.#finish(),
      )
  }

  write(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return
    if (this.#sink !== undefined && !this.#isCongested) {
      this.#isCongested = !this.#sink.write(bytes, start, end)
      return
    }
    if (this.#queuedBytes + end - start > MOST_BEHIND_BYTES) {
      this.giveUp('it was too far behind the request')
      return
    }
    this.#queue.push(bytes.slice(start, end))
    this.#queuedBytes += end - start
  }

  end(trailers: Fields | undefined): void {
    this.#end = { trailers: trailers?.copy() }
    this.#flush()
  }

  giveUp(reason: string): void {
    if (this.#isOver) return
    this.#sink?.abort(new MeshError('MIRROR_GIVEN_UP', `the copy of a request was given up: ${reason}`))
    this.#finish()
  }

  #attach(sink: BodySink): void {
    if (this.#isOver) {
      sink.abort(new MeshError('MIRROR_GIVEN_UP', 'the copy of a request was given up before it could be sent'))
      return
    }
    this.#sink = sink
    sink.onDrain = () => {
      this.#isCongested = false
      this.#flush()
    }
    sink.onUnwanted = () => this.giveUp('nobody wants it')
    this.#flush()
  }

  #flush(): void {
    const sink = this.#sink
    if (sink === undefined || this.#isOver) return
    while (!this.#isCongested) {
      const piece = this.#queue.shift()
      if (piece === undefined) break
      this.#queuedBytes -= piece.length
      this.#isCongested = !sink.write(piece, 0, piece.length)
    }
    if (this.#queue.length > 0 || this.#end === undefined) return
    sink.end(this.#end.trailers)
    this.#finish()
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#queue.length = 0
    this.#onEnded()
  }
}

/** A body that copies listen to on its way. */
export class MirroredBody implements BodySource {
  readonly #body: BodySource
  readonly #copies: readonly MirrorCopy[]

  constructor(body: BodySource, copies: readonly MirrorCopy[]) {
    this.#body = body
    this.#copies = copies
  }

  get lengthBytes(): number | undefined {
    return this.#body.lengthBytes
  }

  pipe(sink: BodySink): void {
    this.#body.pipe(new ListenedSink(sink, this.#copies))
  }

  discard(): void {
    for (const copy of this.#copies) copy.giveUp('the request was not sent')
    this.#body.discard()
  }
}

class ListenedSink implements BodySink {
  readonly #sink: BodySink
  readonly #copies: readonly MirrorCopy[]
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined

  constructor(sink: BodySink, copies: readonly MirrorCopy[]) {
    this.#sink = sink
    this.#copies = copies
    sink.onDrain = () => this.onDrain?.()
    sink.onUnwanted = () => {
      for (const copy of copies) copy.giveUp('the endpoint wants no more of the request')
      this.onUnwanted?.()
    }
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    for (const copy of this.#copies) copy.write(bytes, start, end)
    return this.#sink.write(bytes, start, end)
  }

  end(trailers: Fields | undefined): void {
    for (const copy of this.#copies) copy.end(trailers)
    this.#sink.end(trailers)
  }

  abort(error: MeshError): void {
    for (const copy of this.#copies) copy.giveUp('the client broke the request off')
    this.#sink.abort(error)
  }
}
