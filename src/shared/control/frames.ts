import { MeshError } from '#shared/errors'

/** Frame kinds of an exec stream; an empty `stdin` frame is the end of input. */
export const execChannels = { request: 0, stdin: 1, stdout: 2, stderr: 3, signal: 4, end: 5 } as const
export type ExecChannel = keyof typeof execChannels

export interface ExecFrame {
  readonly channel: ExecChannel
  readonly payload: Buffer
}

/** Longest payload of one frame, in bytes: a command line may be long (Linux MAX_ARG_STRLEN is 128 KiB). */
export const MAX_EXEC_PAYLOAD_BYTES: number = 1 << 20
const HEADER_BYTES = 5
const byNumber = new Map<number, ExecChannel>(
  Object.entries(execChannels).map(([name, number]) => [number, name as ExecChannel]),
)

/** Channel (1 byte), length (4 bytes, big-endian), payload. */
export function execFrame(channel: ExecChannel, payload: Uint8Array | string): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload) : payload
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  frame[0] = execChannels[channel]
  frame.writeUInt32BE(body.length, 1)
  frame.set(body, HEADER_BYTES)
  return frame
}

/** Puts frames together again from any split of the bytes; holds one unfinished frame at most. */
export class ExecFrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** @throws MeshError `COMMAND_FAILED` for an unknown channel or a frame that is too long */
  read(chunk: Buffer): ExecFrame[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const frames: ExecFrame[] = []
    while (this.#rest.length >= HEADER_BYTES) {
      const channel = byNumber.get(this.#rest.readUInt8(0))
      const length = this.#rest.readUInt32BE(1)
      if (channel === undefined) throw new MeshError('COMMAND_FAILED', 'the exec stream has an unknown channel')
      if (length > MAX_EXEC_PAYLOAD_BYTES)
        throw new MeshError('COMMAND_FAILED', `an exec frame of ${length} bytes is too long`)
      if (this.#rest.length < HEADER_BYTES + length) break
      frames.push({ channel, payload: this.#rest.subarray(HEADER_BYTES, HEADER_BYTES + length) })
      this.#rest = this.#rest.subarray(HEADER_BYTES + length)
    }
    return frames
  }
}
