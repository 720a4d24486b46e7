import type { Slab } from '#shared/net'
import { Flag, FrameType, PREFACE, readUint31 } from './frames.ts'
import { connectionError } from './h2-error.ts'
import { FRAME_HEADER_BYTES, H2ErrorCode } from './types.ts'

/** What happens to a frame's payload: handed on in pieces, gathered and handed on whole, or thrown away. */
export type PayloadWay = 'stream' | 'gather' | 'skip'

/** Who is told of frames, in the order of the wire. Anything thrown ends the reading for good. */
export interface FrameSink {
  /** A frame's 9 bytes are in the reader's fields; checks them before any payload is kept. */
  onFrameStart(): PayloadWay
  /** DATA without its padding; called as bytes come. */
  onDataPiece(slab: Slab, start: number, end: number): void
  /** The whole DATA frame has come; `overheadBytes` of it were padding and its length. */
  onDataEnd(overheadBytes: number): void
  /** A gathered payload, `bytes[start, end)`, valid during the call. */
  onFrame(bytes: Buffer, start: number, end: number): void
}

const Part = { PREFACE: 0, HEADER: 1, PAD_LENGTH: 2, DATA: 3, PADDING: 4, GATHER: 5, SKIP: 6 } as const
type Part = (typeof Part)[keyof typeof Part]

const EMPTY = Buffer.alloc(0)

/** Cuts the byte stream into frames (RFC 9113 §4.1). Knows lengths only; what frames mean is its sink's business. */
export class FrameReader {
  /** The current frame's header. */
  length = 0
  type = 0
  flags = 0
  streamId = 0

  readonly #sink: FrameSink
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES)
  #part: Part
  /** Bytes of the preface or of the header that have come. */
  #got = 0
  /** Bytes of the current part still to come. */
  #left = 0
  #paddingBytes = 0
  #overheadBytes = 0
  #gathered: Buffer = EMPTY
  #isStopped = false

  constructor(sink: FrameSink, expectsPreface: boolean) {
    this.#sink = sink
    this.#part = expectsPreface ? Part.PREFACE : Part.HEADER
  }

  /** A frame's header has come, and its payload is not complete. */
  get isInsidePayload(): boolean {
    return this.#part !== Part.HEADER && this.#part !== Part.PREFACE
  }

  /** Bytes that follow are not looked at. */
  stop(): void {
    this.#isStopped = true
    this.#gathered = EMPTY
  }

  /** @throws H2Error, or what the sink throws */
  feed(slab: Slab, start: number, end: number): void {
    const bytes = slab.buffer
    let at = start
    while (at < end && !this.#isStopped) {
      switch (this.#part) {
        case Part.HEADER:
          if (this.#got === 0 && end - at >= FRAME_HEADER_BYTES) {
            this.#begin(bytes, at)
            at += FRAME_HEADER_BYTES
          } else at = this.#readHeader(bytes, at, end)
          break
        case Part.DATA: {
          const stop = Math.min(at + this.#left, end)
          this.#left -= stop - at
          this.#sink.onDataPiece(slab, at, stop)
          at = stop
          if (this.#left === 0) this.#endData()
          break
        }
        case Part.GATHER:
          at = this.#gather(bytes, at, end)
          break
        case Part.SKIP:
        case Part.PADDING: {
          const stop = Math.min(at + this.#left, end)
          this.#left -= stop - at
          at = stop
          if (this.#left === 0) this.#endSkipped()
          break
        }
        case Part.PAD_LENGTH:
          this.#beginPadded(bytes[at++]!)
          break
        case Part.PREFACE:
          at = this.#readPreface(bytes, at, end)
          break
      }
    }
  }

  #readPreface(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && this.#got < PREFACE.length) {
      if (bytes[at++] !== PREFACE[this.#got++]) throw connectionError(H2ErrorCode.PROTOCOL_ERROR, 'no HTTP/2 preface')
    }
    if (this.#got === PREFACE.length) this.#expectHeader()
    return at
  }

  #readHeader(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(start + FRAME_HEADER_BYTES - this.#got, end)
    bytes.copy(this.#header, this.#got, start, stop)
    this.#got += stop - start
    if (this.#got === FRAME_HEADER_BYTES) this.#begin(this.#header, 0)
    return stop
  }

  #expectHeader(): void {
    this.#part = Part.HEADER
    this.#got = 0
  }

  #begin(header: Buffer, at: number): void {
    this.length = (header[at]! << 16) | (header[at + 1]! << 8) | header[at + 2]!
    this.type = header[at + 3]!
    this.flags = header[at + 4]!
    this.streamId = readUint31(header, at + 5)
    this.#left = this.length
    this.#overheadBytes = 0
    const way = this.#sink.onFrameStart()
    if (way === 'stream') this.#beginData()
    else if (way === 'gather') this.#beginGather()
    else if (this.length > 0) this.#part = Part.SKIP
    else this.#expectHeader()
  }

  #beginData(): void {
    this.#paddingBytes = 0
    if ((this.flags & Flag.PADDED) !== 0) {
      if (this.length === 0) throw connectionError(H2ErrorCode.FRAME_SIZE_ERROR, 'padded DATA without a pad length')
      this.#part = Part.PAD_LENGTH
    } else if (this.length > 0) this.#part = Part.DATA
    else this.#endFrame()
  }

  /** RFC 9113 §6.1: padding as long as the payload or longer is a PROTOCOL_ERROR. */
  #beginPadded(paddingBytes: number): void {
    this.#left = this.length - 1 - paddingBytes
    if (this.#left < 0) throw connectionError(H2ErrorCode.PROTOCOL_ERROR, 'DATA padding longer than its frame')
    this.#paddingBytes = paddingBytes
    this.#overheadBytes = 1 + paddingBytes
    if (this.#left > 0) this.#part = Part.DATA
    else this.#endData()
  }

  #endData(): void {
    if (this.#paddingBytes === 0) {
      this.#endFrame()
      return
    }
    this.#part = Part.PADDING
    this.#left = this.#paddingBytes
  }

  #endSkipped(): void {
    if (this.#part === Part.PADDING) this.#endFrame()
    else this.#expectHeader()
  }

  #endFrame(): void {
    this.#expectHeader()
    this.#sink.onDataEnd(this.#overheadBytes)
  }

  #beginGather(): void {
    if (this.length > 0) {
      this.#part = Part.GATHER
      return
    }
    this.#expectHeader()
    this.#sink.onFrame(EMPTY, 0, 0)
  }

  /** A payload that came whole is handed on where it lies; one in pieces is put together. */
  #gather(bytes: Buffer, start: number, end: number): number {
    const stop = Math.min(start + this.#left, end)
    const isWhole = this.#left === this.length && stop - start === this.length
    if (!isWhole) {
      if (this.#left === this.length) this.#gathered = Buffer.allocUnsafe(this.length)
      bytes.copy(this.#gathered, this.length - this.#left, start, stop)
    }
    this.#left -= stop - start
    if (this.#left > 0) return stop
    const whole = this.#gathered
    this.#gathered = EMPTY
    this.#expectHeader()
    if (isWhole) this.#sink.onFrame(bytes, start, stop)
    else this.#sink.onFrame(whole, 0, whole.length)
    return stop
  }
}

/** Whether a frame's payload is worth gathering; DATA never is, and what we do not know is thrown away. */
export function isKnownFrame(type: number): boolean {
  return type <= FrameType.CONTINUATION
}
