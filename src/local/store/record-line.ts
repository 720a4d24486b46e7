import { crc32 } from 'node:zlib'

const CRC_DIGITS = 8
const NEWLINE = 0x0a
const SPACE = 0x20

/** One line of journal or snapshot: eight hex digits CRC-32 of the JSON, a space, the JSON, a line end. */
export function encodeLine(json: string): string {
  return `${crc32(json).toString(16).padStart(CRC_DIGITS, '0')} ${json}\n`
}

export type ScannedLine =
  | { readonly kind: 'record'; readonly value: unknown; readonly offset: number; readonly end: number }
  /** `isWhole`: it has its line end, so it was not merely cut off. */
  | {
      readonly kind: 'bad'
      readonly problem: string
      readonly offset: number
      readonly end: number
      readonly isWhole: boolean
    }

/** Reads line by line; a bad line does not hide those behind it, because JSON never holds a line end. */
export function* scanLines(bytes: Buffer, from = 0): Generator<ScannedLine> {
  let offset = from
  while (offset < bytes.length) {
    const lineEnd = bytes.indexOf(NEWLINE, offset)
    const end = lineEnd === -1 ? bytes.length : lineEnd + 1
    if (lineEnd === -1) yield { kind: 'bad', problem: 'is cut off', offset, end, isWhole: false }
    else yield readLine(bytes, offset, lineEnd, end)
    offset = end
  }
}

function readLine(bytes: Buffer, offset: number, lineEnd: number, end: number): ScannedLine {
  const bad = (problem: string): ScannedLine => ({ kind: 'bad', problem, offset, end, isWhole: true })
  if (lineEnd - offset <= CRC_DIGITS || bytes[offset + CRC_DIGITS] !== SPACE) return bad('is no record')
  const digits = bytes.toString('latin1', offset, offset + CRC_DIGITS)
  if (!/^[0-9a-f]{8}$/.test(digits)) return bad('has no checksum')
  const json = bytes.subarray(offset + CRC_DIGITS + 1, lineEnd)
  if (crc32(json) !== Number.parseInt(digits, 16)) return bad('has another checksum')
  try {
    return { kind: 'record', value: JSON.parse(json.toString('utf8')), offset, end }
  } catch {
    return bad('is no JSON')
  }
}
