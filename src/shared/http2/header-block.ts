import { connectionError } from './h2-error.ts'
import { H2ErrorCode, type H2Limits } from './types.ts'

/**
 * Puts a header block together that comes as HEADERS and CONTINUATION frames (RFC 9113 §4.3, §6.10). Its encoded size
 * is bounded by the list size: a block that Huffman coding made longer than its fields is nobody's honest work.
 */
export class HeaderBlock {
  readonly #maxBytes: number
  readonly #maxContinuations: number
  #fragments: Buffer[] = []
  #bytes = 0
  #continuations = 0
  /** Of the HEADERS frame; 0 = no block is open. */
  streamId = 0
  flags = 0

  constructor(limits: H2Limits) {
    this.#maxBytes = limits.maxHeaderListBytes
    this.#maxContinuations = limits.maxContinuations
  }

  get isOpen(): boolean {
    return this.streamId !== 0
  }

  /** @throws H2Error of the connection, before anything is kept, when a frame of `bytes` would be too much */
  checkRoom(bytes: number): void {
    if (this.#bytes + bytes > this.#maxBytes) throw tooLarge('header block too large')
  }

  /** A HEADERS frame without END_HEADERS. */
  begin(streamId: number, flags: number, bytes: Buffer, start: number, end: number): void {
    this.streamId = streamId
    this.flags = flags
    this.#continuations = 0
    this.#keep(bytes, start, end)
  }

  /** @throws H2Error of the connection when there are too many */
  append(bytes: Buffer, start: number, end: number): void {
    if (++this.#continuations > this.#maxContinuations) throw tooLarge('too many CONTINUATION frames')
    this.#keep(bytes, start, end)
  }

  /** The whole block; none is open afterwards. */
  take(): Buffer {
    const block = Buffer.concat(this.#fragments)
    this.#fragments = []
    this.#bytes = 0
    this.streamId = 0
    return block
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start
    this.#fragments.push(Buffer.from(bytes.subarray(start, end)))
  }
}

function tooLarge(what: string): Error {
  return connectionError(H2ErrorCode.ENHANCE_YOUR_CALM, what)
}
