/** RFC 9113 §6; other types are ignored (§4.1). */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const

export const Flag = {
  /** SETTINGS and PING. */
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Payload sizes that a frame must have exactly. */
export const PRIORITY_BYTES = 5
export const RST_STREAM_BYTES = 4
export const PING_BYTES = 8
export const WINDOW_UPDATE_BYTES = 4
/** Before the debug data. */
export const GOAWAY_BYTES = 8
/** One identifier with its value. */
export const SETTING_BYTES = 6

/** SETTINGS_MAX_FRAME_SIZE may be chosen from this range; the lower end holds until it was chosen. */
export const MIN_MAX_FRAME_BYTES = 16_384
export const MAX_MAX_FRAME_BYTES = 16_777_215

/** Of streams and of the connection, until changed (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535
export const MAX_WINDOW_BYTES: number = 2 ** 31 - 1
export const MAX_STREAM_ID: number = 2 ** 31 - 1

/** Writes the 9 bytes of RFC 9113 §4.1 at `offset` and returns the offset behind them. */
export function writeFrameHeader(
  target: Buffer,
  offset: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  target[offset] = length >> 16
  target[offset + 1] = length >> 8
  target[offset + 2] = length
  target[offset + 3] = type
  target[offset + 4] = flags
  return writeUint32(target, offset + 5, streamId)
}

export function writeUint32(target: Buffer, offset: number, value: number): number {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
  return offset + 4
}

export function readUint31(source: Uint8Array, offset: number): number {
  return (
    ((source[offset]! & 0x7f) << 24) | (source[offset + 1]! << 16) | (source[offset + 2]! << 8) | source[offset + 3]!
  )
}
