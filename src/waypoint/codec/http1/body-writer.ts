import { MeshError } from '#shared/errors'
import type { ByteChannel } from '#shared/net'
import type { BodySink, Fields } from '../types.ts'
import { writeLastChunk } from './write-head.ts'

/** How the octets of a body go on the wire; `dropped` = they must not (HEAD, 204, 304). */
export type BodyWriting =
  | { readonly kind: 'dropped' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'rest' }

export interface BodyWriterEvents {
  /** The body is whole on its way. */
  onWritten(): void
  /** It will never be whole: the connection has to go. */
  onBroken(error: MeshError): void
}

const CRLF = Buffer.from('\r\n')
const SIZE = Buffer.allocUnsafeSlow(18)

/** Puts a body into its framing. */
export class BodyWriter implements BodySink {
  onDrain: (() => void) | undefined
  onUnwanted: (() => void) | undefined
  bytes = 0
  readonly #channel: ByteChannel
  readonly #how: BodyWriting
  readonly #events: BodyWriterEvents
  #isOver = false

  constructor(channel: ByteChannel, how: BodyWriting, events: BodyWriterEvents) {
    this.#channel = channel
    this.#how = how
    this.#events = events
  }

  get isOver(): boolean {
    return this.#isOver
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start
    if (this.#isOver || length === 0) return true
    this.bytes += length
    switch (this.#how.kind) {
      case 'dropped':
        return true
      case 'length':
        if (this.bytes > this.#how.bytes) {
          this.#break(new MeshError('UPSTREAM_PROTOCOL', `a body is longer than the ${this.#how.bytes} octets it has`))
          return true
        }
        this.#channel.write(bytes, start, end)
        break
      case 'rest':
        this.#channel.write(bytes, start, end)
        break
      case 'chunked':
        this.#channel.write(SIZE, 0, SIZE.write(`${length.toString(16)}\r\n`, 0, 'latin1'))
        this.#channel.write(bytes, start, end)
        this.#channel.write(CRLF, 0, 2)
    }
    return !this.#channel.isCongested
  }

  end(trailers: Fields | undefined): void {
    if (this.#isOver) return
    if (this.#how.kind === 'length' && this.bytes < this.#how.bytes) {
      this.#break(new MeshError('UPSTREAM_PROTOCOL', `a body ended behind ${this.bytes} of ${this.#how.bytes} octets`))
      return
    }
    this.#isOver = true
    if (this.#how.kind === 'chunked') {
      const { bytes, length } = writeLastChunk(trailers)
      this.#channel.write(bytes, 0, length)
    }
    this.#events.onWritten()
  }

  abort(error: MeshError): void {
    this.#break(error)
  }

  /** The channel takes bytes again. */
  drained(): void {
    if (!this.#isOver) this.onDrain?.()
  }

  /** Nobody listens any more. */
  unwanted(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.onUnwanted?.()
  }

  #break(error: MeshError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events.onBroken(error)
  }
}
