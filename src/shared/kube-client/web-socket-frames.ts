import { randomBytes } from 'node:crypto'
import { MeshError } from '#shared/errors'

/** RFC 6455 §11.8. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const KNOWN: ReadonlySet<number> = new Set(Object.values(OPCODE))

/** Longest message taken. API servers send what their runtime reads at once: 32 KiB and less. */
const MAX_MESSAGE_BYTES = 16 << 20
/** RFC 6455 §5.5. */
const MAX_CONTROL_BYTES = 125
const MASK_BYTES = 4

/** What a server sent; the fragments of a message have been put together. */
export type ServerFrame =
  | { readonly kind: 'message' | 'ping' | 'pong'; readonly payload: Buffer }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }

/** Reads a server's frames from bytes in any cut; holds one unfinished message at most. */
export class ServerFrameReader {
  #rest: Buffer = Buffer.alloc(0)
  #fragments: Buffer[] | undefined
  #fragmentBytes = 0

  /** What is complete now. @throws MeshError `STREAM_PROTOCOL_INVALID` */
  read(chunk: Buffer): readonly ServerFrame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: ServerFrame[] = []
    for (;;) {
      const head = headOf(this.#rest)
      if (head === undefined || this.#rest.length < head.bytes + head.payloadBytes) return frames
      const payload = this.#rest.subarray(head.bytes, head.bytes + head.payloadBytes)
      this.#rest = this.#rest.subarray(head.bytes + head.payloadBytes)
      const frame = this.#take(head, payload)
      if (frame !== undefined) frames.push(frame)
    }
  }

  #take({ opcode, isFinal }: FrameHead, payload: Buffer): ServerFrame | undefined {
    if (opcode === OPCODE.ping) return { kind: 'ping', payload }
    if (opcode === OPCODE.pong) return { kind: 'pong', payload }
    if (opcode === OPCODE.close) return closeFrame(payload)
    if ((opcode === OPCODE.continuation) !== (this.#fragments !== undefined))
      throw invalid('fragments are out of order')
    this.#fragments ??= []
    this.#fragmentBytes += payload.length
    if (this.#fragmentBytes > MAX_MESSAGE_BYTES) throw invalid('a message is too long')
    // An endless row of empty fragments would grow the list.
    if (payload.length > 0) this.#fragments.push(payload)
    if (!isFinal) return undefined
    const message = Buffer.concat(this.#fragments)
    this.#fragments = undefined
    this.#fragmentBytes = 0
    return { kind: 'message', payload: message }
  }
}

/** A client's frame: final and masked (RFC 6455 §5.3). */
export function clientFrame(opcode: number, ...parts: readonly Uint8Array[]): Buffer {
  const payload = Buffer.concat(parts)
  const { length } = payload
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8
  const frame = Buffer.alloc(2 + lengthBytes + MASK_BYTES + length)
  frame[0] = 0x80 | opcode
  frame[1] = 0x80 | (lengthBytes === 0 ? length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) frame.writeUInt16BE(length, 2)
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(length), 2)
  const mask = randomBytes(MASK_BYTES)
  const start = 2 + lengthBytes + MASK_BYTES
  mask.copy(frame, start - MASK_BYTES)
  for (let i = 0; i < length; i++) frame[start + i] = (payload[i] ?? 0) ^ (mask[i % MASK_BYTES] ?? 0)
  return frame
}

interface FrameHead {
  readonly opcode: number
  readonly isFinal: boolean
  /** Of the head itself. */
  readonly bytes: number
  readonly payloadBytes: number
}

function headOf(bytes: Buffer): FrameHead | undefined {
  const [first, second] = bytes
  if (first === undefined || second === undefined) return undefined
  const opcode = first & 0x0f
  const isFinal = (first & 0x80) !== 0
  if ((first & 0x70) !== 0) throw invalid('a reserved bit is set and no extension was agreed on')
  if (!KNOWN.has(opcode)) throw invalid(`opcode ${opcode} does not exist`)
  if ((second & 0x80) !== 0) throw invalid('a frame of a server is masked')
  const short = second & 0x7f
  if (opcode >= OPCODE.close && (short > MAX_CONTROL_BYTES || !isFinal)) throw invalid('a control frame is too long')
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  if (bytes.length < 2 + lengthBytes) return undefined
  const payloadBytes =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if (payloadBytes > MAX_MESSAGE_BYTES) throw invalid('a message is too long')
  return { opcode, isFinal, bytes: 2 + lengthBytes, payloadBytes }
}

function closeFrame(payload: Buffer): ServerFrame {
  if (payload.length < 2) return { kind: 'close', code: 1005, reason: '' }
  return { kind: 'close', code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) }
}

function invalid(problem: string): MeshError {
  return new MeshError('STREAM_PROTOCOL_INVALID', `WebSocket: ${problem}`)
}
