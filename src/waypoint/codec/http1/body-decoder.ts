import type { Fields } from '../types.ts'
import { OctetFields } from './fields.ts'
import { Malformed } from './malformed.ts'
import { CR, HEX, LF, SEMICOLON, VALUE } from './octets.ts'
import { type HeadScan, scanTrailers } from './scan-head.ts'

export interface BodyEvents {
  onBody(bytes: Buffer, start: number, end: number): void
  /** Nothing more of this message comes. */
  onBodyEnd(trailers: Fields | undefined): void
}

/** How a message's body is delimited (RFC 9112 §6.3). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  /** To the end of the connection: answers of old servers, and everything behind an upgrade. */
  | { readonly kind: 'rest' }

const MAX_CHUNK_DIGITS = 16
const MAX_CHUNK_BYTES = 2 ** 40
/** Of all chunks of a message together. */
const MAX_EXTENSION_BYTES = 4096
const MAX_TRAILER_BYTES = 8192

type State =
  | 'ended'
  | 'length'
  | 'rest'
  | 'chunk size'
  | 'chunk extension'
  | 'chunk size LF'
  | 'chunk'
  | 'chunk CR'
  | 'chunk LF'
  | 'trailers'

/** Takes the body out of its framing, octet by octet where octets decide, in runs where they do not. */
export class BodyDecoder {
  readonly #scan: HeadScan
  readonly #events: BodyEvents
  #state: State = 'ended'
  #left = 0
  #digits = 0
  #extensionBytes = 0
  /** What came of the trailers. */
  #held: Buffer | undefined

  /** @param scan free whenever bytes are fed */
  constructor(scan: HeadScan, events: BodyEvents) {
    this.#scan = scan
    this.#events = events
  }

  get isEnded(): boolean {
    return this.#state === 'ended'
  }

  /** A body that has none ends at once. */
  begin(framing: Framing): void {
    switch (framing.kind) {
      case 'none':
        this.#end(undefined)
        return
      case 'length':
        this.#left = framing.bytes
        if (framing.bytes === 0) this.#end(undefined)
        else this.#state = 'length'
        return
      case 'chunked':
        this.#extensionBytes = 0
        this.#beginChunk()
        return
      case 'rest':
        this.#state = 'rest'
    }
  }

  /**
   * @returns up to where bytes belong to this message; less than `end` only when it has ended
   * @throws Malformed
   */
  feed(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#state !== 'ended') at = this.#step(bytes, at, end)
    return at
  }

  /** The connection has ended. @returns whether the message is whole */
  finish(): boolean {
    if (this.#state === 'rest') this.#end(undefined)
    return this.#state === 'ended'
  }

  #step(bytes: Buffer, at: number, end: number): number {
    const octet = bytes[at] as number
    switch (this.#state) {
      case 'rest':
        this.#events.onBody(bytes, at, end)
        return end
      case 'length':
      case 'chunk': {
        const taken = Math.min(end - at, this.#left)
        this.#left -= taken
        const isLast = this.#left === 0
        this.#events.onBody(bytes, at, at + taken)
        if (isLast) {
          if (this.#state === 'length') this.#end(undefined)
          else this.#state = 'chunk CR'
        }
        return at + taken
      }
      case 'chunk size':
        this.#readSize(octet)
        return at + 1
      case 'chunk extension':
        if (octet === CR) this.#state = 'chunk size LF'
        else if (VALUE[octet] === 0) throw new Malformed('a chunk extension has an odd octet')
        else if (++this.#extensionBytes > MAX_EXTENSION_BYTES) throw new Malformed('chunk extensions are too long')
        return at + 1
      case 'chunk size LF':
        if (octet !== LF) throw new Malformed('a chunk size does not end with CRLF')
        this.#state = this.#left === 0 ? 'trailers' : 'chunk'
        return at + 1
      case 'chunk CR':
        if (octet !== CR) throw new Malformed('a chunk is longer than its size')
        this.#state = 'chunk LF'
        return at + 1
      case 'chunk LF':
        if (octet !== LF) throw new Malformed('a chunk does not end with CRLF')
        this.#beginChunk()
        return at + 1
      case 'trailers':
        return this.#readTrailers(bytes, at, end)
      case 'ended':
        return end
    }
  }

  #beginChunk(): void {
    this.#state = 'chunk size'
    this.#left = 0
    this.#digits = 0
  }

  #readSize(octet: number): void {
    const digit = HEX[octet] as number
    if (digit >= 0) {
      this.#left = this.#left * 16 + digit
      if (++this.#digits > MAX_CHUNK_DIGITS || this.#left > MAX_CHUNK_BYTES) throw new Malformed('a chunk is too big')
    } else if (this.#digits === 0) throw new Malformed('a chunk has no size')
    else if (octet === CR) this.#state = 'chunk size LF'
    else if (octet === SEMICOLON) this.#state = 'chunk extension'
    else throw new Malformed('a chunk size has an odd octet')
  }

  #readTrailers(bytes: Buffer, start: number, end: number): number {
    if (this.#held === undefined && end - start >= 2 && bytes[start] === CR && bytes[start + 1] === LF) {
      this.#end(undefined)
      return start + 2
    }
    const held = this.#held?.length ?? 0
    const all =
      this.#held === undefined ? bytes.subarray(start, end) : Buffer.concat([this.#held, bytes.subarray(start, end)])
    const ended = scanTrailers(this.#scan, all, 0, Math.min(all.length, MAX_TRAILER_BYTES))
    if (ended < 0) {
      if (all.length >= MAX_TRAILER_BYTES) throw new Malformed('the trailers are too long', 431)
      this.#held = held === 0 ? Buffer.from(all) : all
      return end
    }
    this.#held = undefined
    this.#end(this.#scan.lineCount === 0 ? undefined : new OctetFields(this.#scan, all, 'trailers'))
    return start + ended - held
  }

  #end(trailers: Fields | undefined): void {
    this.#state = 'ended'
    this.#events.onBodyEnd(trailers)
  }
}
