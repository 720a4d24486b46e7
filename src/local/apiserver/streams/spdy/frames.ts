import { MeshError } from '#shared/errors'

/** SPDY/3.1 §2.2 and §2.6; those that Kubernetes' streams use. */
export const CONTROL = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const
export const FLAG_FIN = 1

const VERSION = 3
const HEAD_BYTES = 8
/** Clients write what they read: 32 KiB. */
const MAX_DATA_BYTES = 1024 * 1024
const MAX_CONTROL_BYTES = 64 * 1024

export type SpdyFrame =
  | { readonly kind: 'data'; readonly id: number; readonly isLast: boolean; readonly payload: Buffer }
  | { readonly kind: 'open'; readonly id: number; readonly isLast: boolean; readonly block: Buffer }
  | { readonly kind: 'headers'; readonly id: number; readonly isLast: boolean; readonly block: Buffer }
  | { readonly kind: 'reset'; readonly id: number }
  | { readonly kind: 'ping'; readonly payload: Buffer }
  | { readonly kind: 'goAway' }
  /** Settings, windows, and types that are not known (§2.2.1: to be ignored). */
  | { readonly kind: 'ignored' }

/** Reads frames from bytes in any cut. @throws MeshError `STREAM_PROTOCOL_INVALID` */
export class SpdyReader {
  #chunks: Buffer[] = []
  #buffered = 0

  read(chunk: Buffer): readonly SpdyFrame[] {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    const frames: SpdyFrame[] = []
    for (;;) {
      if (this.#buffered < HEAD_BYTES) return frames
      const bytes = this.#joined(HEAD_BYTES)
      const length = bytes.readUIntBE(5, 3)
      const isControl = ((bytes[0] ?? 0) & 0x80) !== 0
      if (length > (isControl ? MAX_CONTROL_BYTES : MAX_DATA_BYTES)) throw invalid('a frame is too long')
      if (this.#buffered < HEAD_BYTES + length) return frames
      const frame = this.#joined(HEAD_BYTES + length)
      frames.push(isControl ? controlFrame(frame, length) : dataFrame(frame, length))
      const rest = frame.subarray(HEAD_BYTES + length)
      this.#chunks = rest.length === 0 ? [] : [rest]
      this.#buffered = rest.length
    }
  }

  /** All bytes in one piece, but only when the first piece is shorter than asked: no chunk is copied twice. */
  #joined(needed: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= needed && this.#chunks.length === 1) return first
    const all = Buffer.concat(this.#chunks)
    this.#chunks = [all]
    return all
  }
}

export function dataHead(id: number, length: number, isLast: boolean): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt32BE(id, 0)
  head[4] = isLast ? FLAG_FIN : 0
  head.writeUIntBE(length, 5, 3)
  return head
}

export function encodeControl(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt16BE(0x8000 | VERSION, 0)
  head.writeUInt16BE(type, 2)
  head.writeUIntBE(payload.length, 5, 3)
  return Buffer.concat([head, payload])
}

/** RST_STREAM, WINDOW_UPDATE and GOAWAY: two numbers. */
export function encodeNumbers(type: number, first: number, second: number): Buffer {
  const payload = Buffer.alloc(8)
  payload.writeUInt32BE(first, 0)
  payload.writeUInt32BE(second, 4)
  return encodeControl(type, payload)
}

export function encodeReply(id: number, block: Uint8Array): Buffer {
  const number = Buffer.alloc(4)
  number.writeUInt32BE(id, 0)
  return encodeControl(CONTROL.synReply, Buffer.concat([number, block]))
}

function dataFrame(frame: Buffer, length: number): SpdyFrame {
  const isLast = ((frame[4] ?? 0) & FLAG_FIN) !== 0
  return { kind: 'data', id: frame.readUInt32BE(0), isLast, payload: frame.subarray(HEAD_BYTES, HEAD_BYTES + length) }
}

function controlFrame(frame: Buffer, length: number): SpdyFrame {
  const version = frame.readUInt16BE(0) & 0x7fff
  if (version !== VERSION) throw invalid(`version ${version} is not 3`)
  const type = frame.readUInt16BE(2)
  const isLast = ((frame[4] ?? 0) & FLAG_FIN) !== 0
  const payload = frame.subarray(HEAD_BYTES, HEAD_BYTES + length)
  switch (type) {
    case CONTROL.synStream:
      // Behind both stream ids stand priority and credential slot.
      return { kind: 'open', id: idOf(payload, 10), isLast, block: payload.subarray(10) }
    case CONTROL.headers:
      return { kind: 'headers', id: idOf(payload, 4), isLast, block: payload.subarray(4) }
    case CONTROL.rstStream:
      return { kind: 'reset', id: idOf(payload, 8) }
    case CONTROL.ping:
      idOf(payload, 4)
      return { kind: 'ping', payload: Buffer.from(payload) }
    case CONTROL.goAway:
      return { kind: 'goAway' }
    case CONTROL.synReply:
      throw invalid('a reply to a stream that was never opened')
    default:
      return { kind: 'ignored' }
  }
}

function idOf(payload: Buffer, least: number): number {
  if (payload.length < least) throw invalid('a control frame is too short')
  return payload.readUInt32BE(0) & 0x7fffffff
}

function invalid(problem: string): MeshError {
  return new MeshError('STREAM_PROTOCOL_INVALID', `SPDY: ${problem}`)
}
