import { randomBytes } from 'node:crypto'
import { MeshError } from '#shared/errors'

/** RFC 6455 §11.8; the only ones that exist. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const KNOWN: ReadonlySet<number> = new Set(Object.values(OPCODE))

/** RFC 6455 §5.5. */
const MAX_CONTROL_BYTES = 125
const MASK_BYTES = 4
/** A close frame without a code stands for this one (RFC 6455 §7.1.5). */
const NO_CODE = 1005

/** What the other side sent; fragments of a message have been put together. */
export type ReceivedFrame =
  | { readonly kind: 'message'; readonly isText: boolean; readonly payload: Buffer }
  | { readonly kind: 'ping' | 'pong'; readonly payload: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }

export interface FrameReaderSettings {
  /** Whose frames they are: a client's are masked, a server's are not (RFC 6455 §5.1). */
  readonly from: 'client' | 'server'
  readonly maxMessageBytes: number
}

/** Reads one side's frames from bytes in any cut; holds one unfinished message at most. */
export class FrameReader {
  readonly #settings: FrameReaderSettings
  #rest: Buffer = Buffer.alloc(0)
  #fragments: Buffer[] = []
  #fragmentBytes = 0
  /** Of the message that is not whole yet. */
  #isText: boolean | undefined

  constructor(settings: FrameReaderSettings) {
    this.#settings = settings
  }

  /** What is complete now. @throws MeshError `STREAM_PROTOCOL_INVALID` */
  read(chunk: Buffer): readonly ReceivedFrame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: ReceivedFrame[] = []
    for (;;) {
      const head = headOf(this.#rest, this.#settings)
      if (head === undefined || this.#rest.length < head.headBytes + head.payloadBytes) return frames
      const payload = payloadOf(this.#rest, head)
      this.#rest = this.#rest.subarray(head.headBytes + head.payloadBytes)
      const frame = this.#take(head, payload)
      if (frame !== undefined) frames.push(frame)
    }
  }

  #take({ opcode, isFinal }: FrameHead, payload: Buffer): ReceivedFrame | undefined {
    if (opcode === OPCODE.ping) return { kind: 'ping', payload }
    if (opcode === OPCODE.pong) return { kind: 'pong', payload }
    if (opcode === OPCODE.close) return closeOf(payload)
    if ((opcode === OPCODE.continuation) !== (this.#isText !== undefined)) throw invalid('fragments are out of order')
    this.#isText ??= opcode === OPCODE.text
    this.#fragmentBytes += payload.length
    if (this.#fragmentBytes > this.#settings.maxMessageBytes) throw invalid('a message is too long')
    // An endless row of empty fragments would grow the list.
    if (payload.length > 0) this.#fragments.push(payload)
    if (!isFinal) return undefined
    const [first, ...more] = this.#fragments
    const whole = more.length === 0 ? (first ?? payload) : Buffer.concat(this.#fragments)
    const message = { kind: 'message', isText: this.#isText, payload: whole } as const
    this.#fragments = []
    this.#fragmentBytes = 0
    this.#isText = undefined
    return message
  }
}

/** A server's frame: final and unmasked; its payload may be in parts. */
export function serverFrame(opcode: number, ...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([frameHead(opcode, lengthOf(parts), 0), ...parts])
}

/** A client's frame: final and masked. */
export function clientFrame(opcode: number, ...parts: readonly Uint8Array[]): Buffer {
  const mask = randomBytes(MASK_BYTES)
  const head = frameHead(opcode, lengthOf(parts), MASKED)
  const frame = Buffer.concat([head, mask, ...parts])
  applyMask(frame.subarray(head.length + MASK_BYTES), mask)
  return frame
}

const MASKED = 0x80

function frameHead(opcode: number, length: number, masked: number): Buffer {
  if (length < 126) return Buffer.of(0x80 | opcode, masked | length)
  if (length < 65_536) return Buffer.of(0x80 | opcode, masked | 126, length >> 8, length & 0xff)
  const head = Buffer.alloc(10)
  head[0] = 0x80 | opcode
  head[1] = masked | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

interface FrameHead {
  readonly opcode: number
  readonly isFinal: boolean
  readonly isMasked: boolean
  /** With the mask. */
  readonly headBytes: number
  readonly payloadBytes: number
}

function headOf(bytes: Buffer, { from, maxMessageBytes }: FrameReaderSettings): FrameHead | undefined {
  const [first, second] = bytes
  if (first === undefined || second === undefined) return undefined
  const opcode = first & 0x0f
  const isFinal = (first & 0x80) !== 0
  const isMasked = (second & MASKED) !== 0
  if ((first & 0x70) !== 0) throw invalid('a reserved bit is set and no extension was agreed on')
  if (!KNOWN.has(opcode)) throw invalid(`opcode ${opcode} does not exist`)
  if (from === 'client' && !isMasked) throw invalid('a frame of a client is not masked')
  if (from === 'server' && isMasked) throw invalid('a frame of a server is masked')
  const short = second & 0x7f
  if (opcode >= OPCODE.close && (short > MAX_CONTROL_BYTES || !isFinal)) throw invalid('a control frame is too long')
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  const headBytes = 2 + lengthBytes + (isMasked ? MASK_BYTES : 0)
  if (bytes.length < headBytes) return undefined
  const payloadBytes =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (payloadBytes > maxMessageBytes) throw invalid('a message is too long')
  return { opcode, isFinal, isMasked, headBytes, payloadBytes }
}

function payloadOf(bytes: Buffer, { headBytes, payloadBytes, isMasked }: FrameHead): Buffer {
  const payload = bytes.subarray(headBytes, headBytes + payloadBytes)
  if (!isMasked) return payload
  // The chunk is not ours to change.
  const unmasked = Buffer.from(payload)
  applyMask(unmasked, bytes.subarray(headBytes - MASK_BYTES, headBytes))
  return unmasked
}

function applyMask(payload: Buffer, mask: Uint8Array): void {
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0)
}

function closeOf(payload: Buffer): ReceivedFrame {
  if (payload.length < 2) return { kind: 'close', code: NO_CODE, reason: '' }
  return { kind: 'close', code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) }
}

/** The payload of a close frame; a reason that is too long is cut. */
export function closePayload(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, MAX_CONTROL_BYTES - 2)
  return Buffer.concat([Buffer.of(code >> 8, code & 0xff), text])
}

function invalid(problem: string): MeshError {
  return new MeshError('STREAM_PROTOCOL_INVALID', `WebSocket: ${problem}`)
}
