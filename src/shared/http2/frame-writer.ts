import type { Slab } from '#shared/net'
import {
  Flag,
  FrameType,
  GOAWAY_BYTES,
  PING_BYTES,
  PREFACE,
  RST_STREAM_BYTES,
  SETTING_BYTES,
  WINDOW_UPDATE_BYTES,
  writeFrameHeader,
  writeUint32,
} from './frames.ts'
import { HpackEncoder } from './hpack/index.ts'
import type { QueuedStream } from './ledger.ts'
import { MAX_BATCH_PAYLOAD, type SendQueue } from './send-queue.ts'
import type { SettingPair } from './settings.ts'
import { FRAME_HEADER_BYTES, type HeaderList } from './types.ts'

/** Debug data of GOAWAY is for people; more than this is cut off. */
const MAX_DEBUG_BYTES = 128

/** Writes frames into the queue. Who calls has asked windows and states before. */
export class FrameWriter {
  readonly #queue: SendQueue
  readonly #encoder: HpackEncoder
  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  maxFrameBytes: number

  constructor(queue: SendQueue, maxFrameBytes: number, maxTableBytes: number) {
    this.#queue = queue
    this.maxFrameBytes = maxFrameBytes
    this.#encoder = new HpackEncoder(maxTableBytes)
  }

  setPeerTableBytes(bytes: number): void {
    this.#encoder.setPeerTableBytes(bytes)
  }

  preface(): void {
    const batch = this.#queue.reserve(PREFACE.length)
    PREFACE.copy(batch, this.#queue.position)
    this.#queue.commit(PREFACE.length)
  }

  settings(pairs: readonly SettingPair[]): void {
    const bytes = pairs.length * SETTING_BYTES
    const batch = this.#queue.reserve(FRAME_HEADER_BYTES + bytes)
    let at = writeFrameHeader(batch, this.#queue.position, bytes, FrameType.SETTINGS, 0, 0)
    for (const [id, value] of pairs) {
      batch.writeUInt16BE(id, at)
      at = writeUint32(batch, at + 2, value)
    }
    this.#queue.commit(FRAME_HEADER_BYTES + bytes)
  }

  settingsAck(): void {
    this.#empty(FrameType.SETTINGS, Flag.ACK, 0)
  }

  /** @param payload 8 bytes */
  ping(payload: Uint8Array, isAck: boolean): void {
    const batch = this.#queue.reserve(FRAME_HEADER_BYTES + PING_BYTES)
    const flags = isAck ? Flag.ACK : 0
    batch.set(payload, writeFrameHeader(batch, this.#queue.position, PING_BYTES, FrameType.PING, flags, 0))
    this.#queue.commit(FRAME_HEADER_BYTES + PING_BYTES)
  }

  goaway(lastStreamId: number, code: number, debug: string): void {
    const data = Buffer.from(debug).subarray(0, MAX_DEBUG_BYTES)
    const bytes = GOAWAY_BYTES + data.length
    const batch = this.#queue.reserve(FRAME_HEADER_BYTES + bytes)
    let at = writeFrameHeader(batch, this.#queue.position, bytes, FrameType.GOAWAY, 0, 0)
    at = writeUint32(batch, at, lastStreamId)
    data.copy(batch, writeUint32(batch, at, code))
    this.#queue.commit(FRAME_HEADER_BYTES + bytes)
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#word(FrameType.WINDOW_UPDATE, WINDOW_UPDATE_BYTES, streamId, increment)
  }

  rstStream(streamId: number, code: number): void {
    this.#word(FrameType.RST_STREAM, RST_STREAM_BYTES, streamId, code)
  }

  /** HEADERS, and CONTINUATION for what the peer's frame size does not take. */
  headers(streamId: number, headers: HeaderList, isEnd: boolean): void {
    const block = this.#encoder.encode(headers)
    const end = isEnd ? Flag.END_STREAM : 0
    const maxBytes = Math.min(this.maxFrameBytes, MAX_BATCH_PAYLOAD)
    let type: number = FrameType.HEADERS
    let offset = 0
    do {
      const bytes = Math.min(block.length - offset, maxBytes)
      const isLast = offset + bytes === block.length
      const flags = (isLast ? Flag.END_HEADERS : 0) | (type === FrameType.HEADERS ? end : 0)
      const batch = this.#queue.reserve(FRAME_HEADER_BYTES + bytes)
      block.copy(
        batch,
        writeFrameHeader(batch, this.#queue.position, bytes, type, flags, streamId),
        offset,
        offset + bytes,
      )
      this.#queue.commit(FRAME_HEADER_BYTES + bytes)
      type = FrameType.CONTINUATION
      offset += bytes
    } while (offset < block.length)
  }

  /** Copies `bytes[start, end)` into as many DATA frames as the peer's frame size asks for. */
  data(stream: QueuedStream, streamId: number, bytes: Uint8Array, start: number, end: number): void {
    const maxBytes = Math.min(this.maxFrameBytes, MAX_BATCH_PAYLOAD)
    for (let offset = start; offset < end; ) {
      const length = Math.min(end - offset, maxBytes)
      const batch = this.#queue.reserve(FRAME_HEADER_BYTES + length)
      const at = writeFrameHeader(batch, this.#queue.position, length, FrameType.DATA, 0, streamId)
      // No view of a Buffer is made: views are most of the garbage of a small write.
      if (Buffer.isBuffer(bytes)) bytes.copy(batch, at, offset, offset + length)
      else batch.set(bytes.subarray(offset, offset + length), at)
      this.#queue.commit(FRAME_HEADER_BYTES + length)
      offset += length
    }
    this.#queue.charge(stream, end - start)
  }

  /** One DATA frame of the payload at `slab.buffer[9, end)`; its header is written in front. */
  dataInPlace(stream: QueuedStream, streamId: number, slab: Slab, end: number): void {
    writeFrameHeader(slab.buffer, 0, end - FRAME_HEADER_BYTES, FrameType.DATA, 0, streamId)
    this.#queue.appendSlab(slab, end)
    this.#queue.charge(stream, end - FRAME_HEADER_BYTES)
    this.#queue.kick()
  }

  endStream(streamId: number): void {
    this.#empty(FrameType.DATA, Flag.END_STREAM, streamId)
  }

  #empty(type: number, flags: number, streamId: number): void {
    const batch = this.#queue.reserve(FRAME_HEADER_BYTES)
    writeFrameHeader(batch, this.#queue.position, 0, type, flags, streamId)
    this.#queue.commit(FRAME_HEADER_BYTES)
  }

  #word(type: number, length: number, streamId: number, value: number): void {
    const batch = this.#queue.reserve(FRAME_HEADER_BYTES + length)
    writeUint32(batch, writeFrameHeader(batch, this.#queue.position, length, type, 0, streamId), value)
    this.#queue.commit(FRAME_HEADER_BYTES + length)
  }
}
