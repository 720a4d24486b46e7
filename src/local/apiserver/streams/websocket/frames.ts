import { MeshError } from '#shared/errors'

/** RFC 6455 §11.8; the only ones that exist. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const KNOWN: ReadonlySet<number> = new Set(Object.values(OPCODE))

/** Longest message taken, in bytes; kubectl's are at most 32 KiB and a channel byte. */
export const MAX_MESSAGE_BYTES: number = 1024 * 1024
/** RFC 6455 §5.5. */
const MAX_CONTROL_BYTES = 125

/** What a client sent; fragments of a message have been put together. */
export type ReceivedFrame =
  | { readonly kind: 'message'; readonly isText: boolean; readonly payload: Buffer }
  | { readonly kind: 'ping' | 'pong'; readonly payload: Buffer }
  | { readonly kind: 'close'; readonly code: number }

/** Reads a client's frames from bytes in any cut. @throws MeshError `STREAM_PROTOCOL_INVALID` */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0)
  #fragments: Buffer[] = []
  #fragmentBytes = 0
  #isText: boolean | undefined

  /** What is complete now. */
  read(chunk: Buffer): readonly ReceivedFrame[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    const frames: ReceivedFrame[] = []
    for (;;) {
      const head = headOf(this.#bytes)
      if (head === undefined || this.#bytes.length < head.headBytes + head.payloadBytes) return frames
      const end = head.headBytes + head.payloadBytes
      const payload = unmasked(this.#bytes, head)
      this.#bytes = this.#bytes.subarray(end)
      const frame = this.#take(head, payload)
      if (frame !== undefined) frames.push(frame)
    }
  }

  #take({ opcode, isFinal }: FrameHead, payload: Buffer): ReceivedFrame | undefined {
    if (opcode === OPCODE.ping) return { kind: 'ping', payload }
    if (opcode === OPCODE.pong) return { kind: 'pong', payload }
    if (opcode === OPCODE.close) return { kind: 'close', code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005 }
    const isContinuation = opcode === OPCODE.continuation
    if (isContinuation !== (this.#isText !== undefined)) throw invalid('fragments are out of order')
    this.#isText ??= opcode === OPCODE.text
    this.#fragmentBytes += payload.length
    if (this.#fragmentBytes > MAX_MESSAGE_BYTES) throw invalid('a message is too long')
    // An endless row of empty fragments would grow the list.
    if (payload.length > 0) this.#fragments.push(payload)
    if (!isFinal) return undefined
    const message = {
      kind: 'message',
      isText: this.#isText,
      payload: this.#fragments.length === 1 ? (this.#fragments[0] ?? payload) : Buffer.concat(this.#fragments),
    } as const
    this.#fragments = []
    this.#fragmentBytes = 0
    this.#isText = undefined
    return message
  }
}

/** A server's frame: final, unmasked; its payload may be in parts. */
export function encodeFrame(opcode: number, ...payload: readonly Uint8Array[]): Buffer {
  const length = payload.reduce((sum, part) => sum + part.length, 0)
  let head: Buffer
  if (length < 126) head = Buffer.from([0x80 | opcode, length])
  else if (length < 65_536) {
    head = Buffer.from([0x80 | opcode, 126, length >> 8, length & 0xff])
  } else {
    head = Buffer.alloc(10)
    head[0] = 0x80 | opcode
    head[1] = 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return Buffer.concat([head, ...payload])
}

export function encodeClose(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, MAX_CONTROL_BYTES - 2)
  return encodeFrame(OPCODE.close, Buffer.from([code >> 8, code & 0xff]), text)
}

interface FrameHead {
  readonly opcode: number
  readonly isFinal: boolean
  readonly headBytes: number
  readonly payloadBytes: number
}

function headOf(bytes: Buffer): FrameHead | undefined {
  const [first, second] = bytes
  if (first === undefined || second === undefined) return undefined
  const opcode = first & 0x0f
  const isFinal = (first & 0x80) !== 0
  if ((first & 0x70) !== 0) throw invalid('a reserved bit is set and no extension was agreed on')
  if (!KNOWN.has(opcode)) throw invalid(`opcode ${opcode} does not exist`)
  if ((second & 0x80) === 0) throw invalid('a frame of a client is not masked')
  const short = second & 0x7f
  if (opcode >= OPCODE.close && (short > MAX_CONTROL_BYTES || !isFinal)) throw invalid('a control frame is too long')
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  const headBytes = 2 + lengthBytes + 4
  if (bytes.length < headBytes) return undefined
  const payloadBytes =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (payloadBytes > MAX_MESSAGE_BYTES) throw invalid('a message is too long')
  return { opcode, isFinal, headBytes, payloadBytes }
}

function unmasked(bytes: Buffer, { headBytes, payloadBytes }: FrameHead): Buffer {
  const mask = bytes.subarray(headBytes - 4, headBytes)
  const payload = Buffer.from(bytes.subarray(headBytes, headBytes + payloadBytes))
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0)
  return payload
}

function invalid(problem: string): MeshError {
  return new MeshError('STREAM_PROTOCOL_INVALID', `WebSocket: ${problem}`)
}
