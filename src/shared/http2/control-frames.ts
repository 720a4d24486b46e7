import {
  Flag,
  FrameType,
  GOAWAY_BYTES,
  PING_BYTES,
  PRIORITY_BYTES,
  RST_STREAM_BYTES,
  WINDOW_UPDATE_BYTES,
} from './frames.ts'
import { connectionError } from './h2-error.ts'
import { H2ErrorCode } from './types.ts'

const { PROTOCOL_ERROR, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM } = H2ErrorCode

/** A SETTINGS or GOAWAY frame may be as long as any, but none has a reason to be longer: each setting costs work. */
const MAX_CONTROL_BYTES = 1024

/**
 * Checks the header of a frame that is neither DATA nor part of a header block, before its payload is kept: the length
 * that RFC 9113 §6 fixes for it, and whether it belongs to a stream or to the connection.
 *
 * @throws H2Error of the connection
 */
export function checkControlFrame(type: number, length: number, streamId: number, flags: number): void {
  switch (type) {
    case FrameType.PRIORITY:
      if (streamId === 0) throw connectionError(PROTOCOL_ERROR, 'PRIORITY on stream 0')
      if (length !== PRIORITY_BYTES) throw connectionError(FRAME_SIZE_ERROR, 'PRIORITY length')
      break
    case FrameType.RST_STREAM:
      if (streamId === 0) throw connectionError(PROTOCOL_ERROR, 'RST_STREAM on stream 0')
      if (length !== RST_STREAM_BYTES) throw connectionError(FRAME_SIZE_ERROR, 'RST_STREAM length')
      break
    case FrameType.WINDOW_UPDATE:
      if (length !== WINDOW_UPDATE_BYTES) throw connectionError(FRAME_SIZE_ERROR, 'WINDOW_UPDATE length')
      break
    case FrameType.SETTINGS:
      if (streamId !== 0) throw connectionError(PROTOCOL_ERROR, 'SETTINGS on a stream')
      if ((flags & Flag.ACK) !== 0 && length > 0) throw connectionError(FRAME_SIZE_ERROR, 'SETTINGS ACK length')
      checkSize(length)
      break
    case FrameType.PING:
      if (streamId !== 0) throw connectionError(PROTOCOL_ERROR, 'PING on a stream')
      if (length !== PING_BYTES) throw connectionError(FRAME_SIZE_ERROR, 'PING length')
      break
    case FrameType.GOAWAY:
      if (streamId !== 0) throw connectionError(PROTOCOL_ERROR, 'GOAWAY on a stream')
      if (length < GOAWAY_BYTES) throw connectionError(FRAME_SIZE_ERROR, 'GOAWAY length')
      checkSize(length)
      break
  }
}

function checkSize(length: number): void {
  if (length > MAX_CONTROL_BYTES) throw connectionError(ENHANCE_YOUR_CALM, `control frame of ${length} bytes`)
}
