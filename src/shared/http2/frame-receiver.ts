import type { Slab } from '#shared/net'
import type { Connection } from './connection.ts'
import { checkControlFrame } from './control-frames.ts'
import { FrameReader, type FrameSink, type PayloadWay } from './frame-reader.ts'
import { Flag, FrameType, GOAWAY_BYTES, PRIORITY_BYTES, readUint31 } from './frames.ts'
import { connectionError, H2Error } from './h2-error.ts'
import { HeaderBlock } from './header-block.ts'
import { HpackDecoder, HpackError } from './hpack/index.ts'
import { readSettings } from './settings.ts'
import type { Stream } from './stream.ts'
import { receiveHeaders } from './stream-headers.ts'
import { H2ErrorCode, type HeaderField } from './types.ts'

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, STREAM_CLOSED, COMPRESSION_ERROR } = H2ErrorCode

/** Debug text of a peer's GOAWAY that is kept for the log. */
const MAX_DEBUG_BYTES = 128

/** Says what each frame means (RFC 9113 §6) and holds it against windows, stream states and guards. */
export class FrameReceiver implements FrameSink {
  readonly #connection: Connection
  readonly #reader: FrameReader
  readonly #block: HeaderBlock
  readonly #decoder: HpackDecoder
  #sawSettings = false

  /** Whose DATA frame is being read; undefined while its bytes go nowhere. */
  #stream: Stream | undefined
  /** Payload not yet handed on: `slab.buffer[start, end)` of one stream, growing while bytes lie side by side. */
  #runStream: Stream | undefined
  #runSlab: Slab | undefined
  #runStart = 0
  #runEnd = 0

  constructor(connection: Connection) {
    const { limits, role } = connection
    this.#connection = connection
    this.#reader = new FrameReader(this, role === 'server')
    this.#block = new HeaderBlock(limits)
    this.#decoder = new HpackDecoder({
      maxTableBytes: limits.headerTableBytes,
      maxListBytes: limits.maxHeaderListBytes,
      maxFields: limits.maxHeaderFields,
    })
  }

  /** @throws H2Error of the connection */
  feed(slab: Slab, start: number, end: number): void {
    this.#reader.feed(slab, start, end)
  }

  stop(): void {
    this.#reader.stop()
    this.#runStream = undefined
    this.#runSlab?.release()
    this.#runSlab = undefined
  }

  get isInsideHeaderBlock(): boolean {
    if (this.#block.isOpen) return true
    return this.#reader.isInsidePayload && this.#reader.type === FrameType.HEADERS
  }

  get hasRun(): boolean {
    return this.#runStream !== undefined
  }

  /** Hands on the payload that has been gathered. */
  deliverRun(): void {
    const stream = this.#runStream
    const slab = this.#runSlab
    if (stream === undefined || slab === undefined) return
    this.#runStream = undefined
    this.#runSlab = undefined
    try {
      if (stream.isReceiving) stream.handler?.onData(slab, this.#runStart, this.#runEnd)
    } finally {
      slab.release()
    }
  }

  onFrameStart(): PayloadWay {
    const { type, length, streamId } = this.#reader
    const { limits } = this.#connection
    if (length > limits.maxFrameBytes) throw connectionError(FRAME_SIZE_ERROR, `frame of ${length} bytes`)
    if (!this.#sawSettings) this.#checkFirst()
    if (this.#block.isOpen && (type !== FrameType.CONTINUATION || streamId !== this.#block.streamId))
      throw connectionError(PROTOCOL_ERROR, 'header block interrupted')
    switch (type) {
      case FrameType.DATA:
        return this.#beginData(length, streamId)
      case FrameType.HEADERS:
      case FrameType.CONTINUATION:
        if (type === FrameType.CONTINUATION && !this.#block.isOpen)
          throw connectionError(PROTOCOL_ERROR, 'CONTINUATION without HEADERS')
        this.#block.checkRoom(length)
        return 'gather'
      case FrameType.PUSH_PROMISE:
        throw connectionError(PROTOCOL_ERROR, 'PUSH_PROMISE')
      case FrameType.PRIORITY:
      case FrameType.RST_STREAM:
      case FrameType.SETTINGS:
      case FrameType.PING:
      case FrameType.GOAWAY:
      case FrameType.WINDOW_UPDATE:
        checkControlFrame(type, length, streamId, this.#reader.flags)
        return 'gather'
      default:
        this.#connection.guards.count('ignored')
        return 'skip'
    }
  }

  onDataPiece(slab: Slab, start: number, end: number): void {
    const stream = this.#stream
    if (stream === undefined) return
    if (this.#runStream === stream && this.#runSlab === slab && this.#runEnd === start) {
      this.#runEnd = end
      return
    }
    if (this.#runStream !== undefined) this.deliverRun()
    this.#runStream = stream
    this.#runSlab = slab
    slab.retain()
    this.#runStart = start
    this.#runEnd = end
  }

  onDataEnd(overheadBytes: number): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#stream = undefined
    const isEnd = (this.#reader.flags & Flag.END_STREAM) !== 0
    const payloadBytes = this.#reader.length - overheadBytes
    if (payloadBytes === 0 && !isEnd) this.#connection.guards.count('emptyData')
    this.deliverRun()
    if (overheadBytes > 0) stream.consumed(overheadBytes)
    if (!stream.isReceiving) return
    if (stream.bytesToCome !== undefined) {
      stream.bytesToCome -= payloadBytes
      if (stream.bytesToCome < 0 || (isEnd && stream.bytesToCome > 0)) {
        this.#connection.resetForFault(stream.id, PROTOCOL_ERROR, 'body differs from content-length')
        return
      }
    }
    if (!isEnd) return
    stream.move('endReceived')
    stream.handler?.onEnd(undefined)
  }

  onFrame(bytes: Buffer, start: number, end: number): void {
    const { flags, streamId } = this.#reader
    switch (this.#reader.type) {
      case FrameType.HEADERS:
        this.#onHeaders(bytes, start, end)
        return
      case FrameType.CONTINUATION:
        this.#block.append(bytes, start, end)
        if ((flags & Flag.END_HEADERS) !== 0) this.#onContinued()
        return
      case FrameType.RST_STREAM:
        this.#onReset(streamId, bytes.readUInt32BE(start))
        return
      case FrameType.SETTINGS:
        this.#onSettings(bytes, start, end)
        return
      case FrameType.PING:
        this.#onPing(bytes.subarray(start, end))
        return
      case FrameType.GOAWAY: {
        this.#connection.guards.count('ignored')
        const debug = bytes.toString(
          'latin1',
          start + GOAWAY_BYTES,
          Math.min(end, start + GOAWAY_BYTES + MAX_DEBUG_BYTES),
        )
        this.#connection.onGoaway(readUint31(bytes, start), bytes.readUInt32BE(start + 4), debug)
        return
      }
      case FrameType.WINDOW_UPDATE:
        this.#onWindowUpdate(streamId, readUint31(bytes, start))
        return
      case FrameType.PRIORITY:
        this.#connection.guards.count('ignored')
        return
    }
  }

  /** RFC 9113 §3.4: SETTINGS come first, and are no acknowledgement. */
  #checkFirst(): void {
    if (this.#reader.type !== FrameType.SETTINGS || (this.#reader.flags & Flag.ACK) !== 0)
      throw connectionError(PROTOCOL_ERROR, 'first frame is not SETTINGS')
    this.#sawSettings = true
  }

  /** Charges both windows for the whole frame, padding included (RFC 9113 §6.9.1), before any byte is taken. */
  #beginData(length: number, streamId: number): PayloadWay {
    const connection = this.#connection
    if (streamId === 0) throw connectionError(PROTOCOL_ERROR, 'DATA on stream 0')
    if (!connection.receiveWindow.take(length)) throw connectionError(FLOW_CONTROL_ERROR, 'connection window exceeded')
    const stream = connection.streams.get(streamId)
    if (stream === undefined) {
      connection.consumed(length)
      this.#onClosedStream(streamId, length > 0)
      return 'skip'
    }
    const fault = dataFault(stream, length)
    if (fault !== undefined) {
      connection.consumed(length)
      connection.resetForFault(streamId, fault.code, fault.reason)
      return 'skip'
    }
    this.#stream = stream
    return 'stream'
  }

  /**
   * DATA or HEADERS for a stream that is not open (RFC 9113 §5.1).
   *
   * @param isPayload it carries DATA: what was under way when we reset the stream is the peer's good right
   */
  #onClosedStream(streamId: number, isPayload: boolean): void {
    const connection = this.#connection
    if (connection.isIdle(streamId)) throw connectionError(PROTOCOL_ERROR, `frame on idle stream ${streamId}`)
    if (!connection.accepts(streamId)) return
    switch (connection.closedStreams.whyClosed(streamId)) {
      case 'us':
        if (!isPayload) connection.guards.count('ignored')
        return
      case 'peer':
      case 'forgotten':
        connection.resetForFault(streamId, STREAM_CLOSED, 'frame on a closed stream')
        return
      case 'ended':
        throw connectionError(STREAM_CLOSED, `frame on ended stream ${streamId}`)
    }
  }

  #onHeaders(bytes: Buffer, start: number, end: number): void {
    const { flags, streamId } = this.#reader
    if (streamId === 0) throw connectionError(PROTOCOL_ERROR, 'HEADERS on stream 0')
    let from = start
    let to = end
    if ((flags & Flag.PADDED) !== 0) {
      if (from === to) throw connectionError(FRAME_SIZE_ERROR, 'padded HEADERS without a pad length')
      to -= bytes[from++]!
    }
    if ((flags & Flag.PRIORITY) !== 0) from += PRIORITY_BYTES
    if (from > to) throw connectionError(PROTOCOL_ERROR, 'HEADERS padding longer than its frame')
    if ((flags & Flag.END_HEADERS) === 0) this.#block.begin(streamId, flags, bytes, from, to)
    else this.#onBlock(streamId, flags, bytes, from, to)
  }

  #onContinued(): void {
    const { streamId, flags } = this.#block
    const block = this.#block.take()
    this.#onBlock(streamId, flags, block, 0, block.length)
  }

  /** Every block is decoded, wanted or not, as the next one builds on it (RFC 9113 §4.3). */
  #onBlock(streamId: number, flags: number, block: Buffer, start: number, end: number): void {
    const connection = this.#connection
    const headers = this.#decode(block, start, end)
    const isEnd = (flags & Flag.END_STREAM) !== 0
    try {
      const stream = connection.streams.get(streamId)
      if (stream !== undefined) {
        if (headers instanceof HpackError) throw limitError(headers)
        receiveHeaders(stream, headers, isEnd)
      } else if (connection.isIdle(streamId)) {
        if (headers instanceof HpackError) connection.refuseRequest(streamId, headers.message)
        else connection.onRequest(streamId, headers, isEnd)
      } else this.#onClosedStream(streamId, false)
    } catch (error) {
      if (!(error instanceof H2Error) || error.scope === 'connection') throw error
      connection.resetForFault(streamId, error.h2Code, error.message)
    }
  }

  #decode(block: Buffer, start: number, end: number): HeaderField[] | HpackError {
    try {
      return this.#decoder.decode(block, start, end)
    } catch (error) {
      if (!(error instanceof HpackError)) throw error
      if (error.kind === 'compression') throw connectionError(COMPRESSION_ERROR, error.message)
      return error
    }
  }

  #onReset(streamId: number, code: number): void {
    const connection = this.#connection
    const stream = connection.streams.get(streamId)
    if (stream === undefined) {
      if (connection.isIdle(streamId)) throw connectionError(PROTOCOL_ERROR, `RST_STREAM on idle stream ${streamId}`)
      connection.guards.count('ignored')
      return
    }
    if (this.#runStream === stream) this.deliverRun()
    // Before our answer is on the wire the peer has got nothing for the work that it made us do.
    const isPremature = stream.answeredAt === undefined || connection.queue.writtenTotal < stream.answeredAt
    if (connection.role === 'server' && isPremature) connection.guards.count('reset')
    if (!stream.isOpen) return
    connection.forget(stream, 'peer')
    stream.handler?.onReset(code, 'reset by the peer')
  }

  #onSettings(bytes: Buffer, start: number, end: number): void {
    const { role, guards } = this.#connection
    guards.count('settings')
    if ((this.#reader.flags & Flag.ACK) === 0) {
      this.#connection.onPeerSettings(readSettings(bytes, start, end, role === 'client' ? 'server' : 'client'))
      return
    }
    this.#decoder.settingsAcknowledged()
    this.#connection.onSettingsAck()
  }

  #onPing(payload: Buffer): void {
    this.#connection.guards.count('ping')
    if ((this.#reader.flags & Flag.ACK) !== 0) this.#connection.onPingAck(payload)
    else this.#connection.writer.ping(payload, true)
  }

  #onWindowUpdate(streamId: number, increment: number): void {
    const connection = this.#connection
    connection.guards.count('windowUpdate')
    if (streamId === 0) {
      if (increment === 0) throw connectionError(PROTOCOL_ERROR, 'WINDOW_UPDATE of 0')
      if (!connection.sendWindow.grow(increment))
        throw connectionError(FLOW_CONTROL_ERROR, 'connection window too large')
      connection.wake()
      return
    }
    const stream = connection.streams.get(streamId)
    if (stream === undefined) {
      if (connection.isIdle(streamId)) throw connectionError(PROTOCOL_ERROR, `WINDOW_UPDATE on idle stream ${streamId}`)
      return
    }
    if (increment === 0) {
      connection.resetForFault(streamId, PROTOCOL_ERROR, 'WINDOW_UPDATE of 0')
      return
    }
    if (stream.sendWindow.grow(increment)) connection.wakeStream(stream)
    else connection.resetForFault(streamId, FLOW_CONTROL_ERROR, 'stream window too large')
  }
}

/** Why DATA cannot be taken on an open stream. */
function dataFault(stream: Stream, length: number): { code: H2ErrorCode; reason: string } | undefined {
  if (!stream.isReceiving) return { code: STREAM_CLOSED, reason: 'DATA behind END_STREAM' }
  if (stream.awaits === 'header') return { code: PROTOCOL_ERROR, reason: 'DATA before the header' }
  if (!stream.receiveWindow.take(length)) return { code: FLOW_CONTROL_ERROR, reason: 'stream window exceeded' }
  return undefined
}

function limitError(error: HpackError): H2Error {
  return new H2Error('stream', H2ErrorCode.ENHANCE_YOUR_CALM, error.message)
}
