import { type ConfigSpec, integer, setting } from '#shared/config'

/** The part of the tunnel's settings that is about HTTP/2, in bytes. */
export interface Http2Settings {
  readonly http2StreamWindowBytes: number
  readonly http2ConnectionWindowBytes: number
  readonly http2FrameBytes: number
}

const MIB = 1_048_576
/** RFC 9113 §6.9.1. */
const MAX_WINDOW_BYTES = 2 ** 31 - 1
/** RFC 9113 §6.5.2. */
const MAX_FRAME_BYTES = 2 ** 24 - 1

export const http2Settings: ConfigSpec<Http2Settings>['settings'] = {
  http2StreamWindowBytes: setting(
    integer(65_535, MAX_WINDOW_BYTES),
    'HTTP2_STREAM_WINDOW_SIZE',
    4 * MIB,
    'Flow-control window of a stream, bytes.',
  ),
  http2ConnectionWindowBytes: setting(
    integer(65_535, MAX_WINDOW_BYTES),
    'HTTP2_CONNECTION_WINDOW_SIZE',
    16 * MIB,
    'Flow-control window of a tunnel, bytes.',
  ),
  http2FrameBytes: setting(
    integer(16_384, MAX_FRAME_BYTES),
    'HTTP2_FRAME_SIZE',
    MIB,
    'Largest frame that is taken, bytes.',
  ),
}
