import { H2ErrorCode } from '#shared/http2'

/** Frames of a scripted peer, made byte by byte and apart from the engine's own writer. */

export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const TYPES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
  'CONTINUATION',
] as const
export type FrameName = (typeof TYPES)[number]

export const END_STREAM = 0x1
export const ACK = 0x1
export const END_HEADERS = 0x4
export const PADDED = 0x8
export const PRIORITY = 0x20

export type ErrorName = keyof typeof H2ErrorCode

/** A frame as it came. */
export interface Frame {
  readonly type: FrameName | `unknown ${number}`
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

/** Any frame at all; `length` may lie. */
export function frame(
  type: FrameName | number,
  flags: number,
  streamId: number,
  payload: Uint8Array = Buffer.alloc(0),
  length: number = payload.length,
): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(length, 0, 3)
  header[3] = typeof type === 'number' ? type : TYPES.indexOf(type)
  header[4] = flags
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}

/** Splits complete frames off; what is left over comes back as `rest`. */
export function parseFrames(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = []
  let at = 0
  while (bytes.length - at >= 9) {
    const length = bytes.readUIntBE(at, 3)
    if (bytes.length - at < 9 + length) break
    const code = bytes[at + 3]!
    const streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
    const payload = Buffer.from(bytes.subarray(at + 9, at + 9 + length))
    frames.push({ type: TYPES[code] ?? `unknown ${code}`, flags: bytes[at + 4]!, streamId, payload })
    at += 9 + length
  }
  return { frames, rest: bytes.subarray(at) }
}

export type Setting =
  | 'HEADER_TABLE_SIZE'
  | 'ENABLE_PUSH'
  | 'MAX_CONCURRENT_STREAMS'
  | 'INITIAL_WINDOW_SIZE'
  | 'MAX_FRAME_SIZE'
  | 'MAX_HEADER_LIST_SIZE'
const SETTINGS: readonly Setting[] = [
  'HEADER_TABLE_SIZE',
  'ENABLE_PUSH',
  'MAX_CONCURRENT_STREAMS',
  'INITIAL_WINDOW_SIZE',
  'MAX_FRAME_SIZE',
  'MAX_HEADER_LIST_SIZE',
]

/** @param values by name, or by number for identifiers that have none */
export function settings(values: Readonly<Record<string, number>> = {}): Buffer {
  const pairs = Object.entries(values).map(([name, value]) => {
    const pair = Buffer.alloc(6)
    const place = SETTINGS.indexOf(name as Setting)
    pair.writeUInt16BE(place < 0 ? Number(name) : place + 1, 0)
    pair.writeUInt32BE(value, 2)
    return pair
  })
  return frame('SETTINGS', 0, 0, Buffer.concat(pairs))
}

export const settingsAck: Buffer = frame('SETTINGS', ACK, 0)

/** A header block of literals without indexing, not Huffman-coded: it leaves the dynamic table alone. */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

function text(octets: string): Buffer {
  const bytes = Buffer.from(octets, 'latin1')
  return Buffer.concat([integer(bytes.length, 7), bytes])
}

/** RFC 7541 §5.1 with zeros in front of the prefix. */
export function integer(value: number, prefixBits: number): Buffer {
  const mask = 2 ** prefixBits - 1
  if (value < mask) return Buffer.from([value])
  const octets = [mask]
  let rest = value - mask
  for (; rest > 0x7f; rest >>>= 7) octets.push((rest & 0x7f) | 0x80)
  return Buffer.from([...octets, rest])
}

export type Fields = readonly (readonly [name: string, value: string])[]

export const get: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'web'],
]
export const post: Fields = [[':method', 'POST'], ...get.slice(1)]
export const connect: Fields = [
  [':method', 'CONNECT'],
  [':authority', '10.0.0.7:80'],
]
export const ok: Fields = [[':status', '200']]

/** HEADERS with END_HEADERS. */
export function headers(streamId: number, fields: Fields, flags = 0): Buffer {
  return frame('HEADERS', END_HEADERS | flags, streamId, block(fields))
}

export function data(streamId: number, payload: string | Uint8Array = '', flags = 0): Buffer {
  return frame('DATA', flags, streamId, Buffer.from(payload))
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function rstStream(streamId: number, code: ErrorName = 'CANCEL'): Buffer {
  return frame('RST_STREAM', 0, streamId, uint32(H2ErrorCode[code]))
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame('WINDOW_UPDATE', 0, streamId, uint32(increment))
}

/** @param payload 8 characters */
export function ping(payload = '01234567', flags = 0): Buffer {
  return frame('PING', flags, 0, Buffer.from(payload))
}

export function goaway(lastStreamId: number, code: ErrorName = 'NO_ERROR', debug = ''): Buffer {
  return frame('GOAWAY', 0, 0, Buffer.concat([uint32(lastStreamId), uint32(H2ErrorCode[code]), Buffer.from(debug)]))
}

export function priority(streamId: number, dependsOn = 0, weight = 15): Buffer {
  return frame('PRIORITY', 0, streamId, Buffer.concat([uint32(dependsOn), Buffer.from([weight])]))
}

export function errorName(code: number): ErrorName | `unknown ${number}` {
  const entry = Object.entries(H2ErrorCode).find(([, value]) => value === code)
  return entry === undefined ? `unknown ${code}` : (entry[0] as ErrorName)
}
