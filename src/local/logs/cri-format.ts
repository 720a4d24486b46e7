import type { OutputStream } from './types.ts'

/**
 * One record of a log file: `2026-01-02T03:04:05.678000000Z stdout F text\n`. All of it before the text has a fixed
 * width; `P` is a part of a line whose rest follows.
 */
export const HEADER_BYTES = 40
const TIME_BYTES = 30
const TAG_AT = 38
const SPACES_AT = [TIME_BYTES, 37, 39]
/** A longer text is written in parts. */
export const MAX_TEXT_BYTES: number = 16 << 10
/** The longest record with its newline. */
export const MAX_RECORD_BYTES: number = HEADER_BYTES + MAX_TEXT_BYTES + 1

/** From here on a call copies faster than a loop. */
const MANY_BYTES = 128

const NEWLINE = 10
const SPACE = 32
const FULL = 'F'.charCodeAt(0)
const PARTIAL = 'P'.charCodeAt(0)
const NOTHING: Buffer = Buffer.alloc(0)
/** Years of four digits, so that times compare as texts. */
const LAST_MS = Date.UTC(9999, 11, 31)

/** RFC 3339 with nine digits of a second. */
export function formatTime(epochMs: number): string {
  const withMs = new Date(Math.min(Math.max(epochMs, 0), LAST_MS)).toISOString()
  return `${withMs.slice(0, -1)}000000Z`
}

/** Turns what one output of a process writes into records; holds back an unfinished line until its end, or 16 KiB. */
export class RecordEncoder {
  readonly #stream: OutputStream
  #rest: Buffer = NOTHING

  constructor(stream: OutputStream) {
    this.#stream = stream
  }

  /** The records that `chunk` completes, maybe none. */
  encode(chunk: Buffer, nowMs: number): Buffer {
    const text = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const records = new RecordWriter(this.#stream, nowMs, text)
    let start = 0
    for (let end = text.indexOf(NEWLINE); end >= 0; end = text.indexOf(NEWLINE, start)) {
      start = records.parts(start, end)
      records.put(FULL, start, end)
      start = end + 1
    }
    start = records.parts(start, text.length)
    // A copy: the chunk is a part of a larger buffer of the stream's.
    this.#rest = start === text.length ? NOTHING : Buffer.from(text.subarray(start))
    return records.written
  }

  /** The unfinished line, as nothing follows; empty when there is none. */
  end(nowMs: number): Buffer {
    const text = this.#rest
    this.#rest = NOTHING
    if (text.length === 0) return NOTHING
    const records = new RecordWriter(this.#stream, nowMs, text)
    records.put(PARTIAL, 0, text.length)
    return records.written
  }
}

/** Records of pieces of one text. */
class RecordWriter {
  readonly #text: Buffer
  readonly #header: Buffer
  readonly #records: Buffer
  #length = 0

  constructor(stream: OutputStream, nowMs: number, text: Buffer) {
    this.#text = text
    this.#header = Buffer.from(`${formatTime(nowMs)} ${stream} F `)
    const most = count(text, NEWLINE) + Math.ceil(text.length / MAX_TEXT_BYTES) + 1
    this.#records = Buffer.allocUnsafe(text.length + most * (HEADER_BYTES + 1))
  }

  get written(): Buffer {
    return this.#records.subarray(0, this.#length)
  }

  put(tag: number, start: number, end: number): void {
    const records = this.#records
    const header = this.#header
    header[TAG_AT] = tag
    let at = this.#length
    // For so few bytes a call costs more than a loop.
    for (let i = 0; i < HEADER_BYTES; i++) records[at++] = header[i] as number
    if (end - start > MANY_BYTES) at += this.#text.copy(records, at, start, end)
    else for (let i = start; i < end; i++) records[at++] = this.#text[i] as number
    records[at++] = NEWLINE
    this.#length = at
  }

  /** Whole parts of a text that is longer than a record takes. @returns where its last piece starts */
  parts(start: number, end: number): number {
    let at = start
    while (end - at > MAX_TEXT_BYTES) {
      this.put(PARTIAL, at, at + MAX_TEXT_BYTES)
      at += MAX_TEXT_BYTES
    }
    return at
  }
}

/** Turns records back into what was written. What is no record is left out. */
export class RecordDecoder {
  readonly #hasTimes: boolean
  readonly #since: Buffer
  #isLineStart = true

  constructor({ timestamps, sinceMs }: { readonly timestamps: boolean; readonly sinceMs: number | undefined }) {
    this.#hasTimes = timestamps
    this.#since = Buffer.from(sinceMs === undefined ? '' : formatTime(sinceMs))
  }

  /** @param records whole ones */
  decode(records: Buffer): Buffer {
    // A time is shorter than a header, so there is room.
    const lines = Buffer.allocUnsafe(records.length)
    let length = 0
    for (let start = 0, end = 0; start < records.length; start = end + 1) {
      end = records.indexOf(NEWLINE, start)
      if (end < 0) end = records.length
      if (!isRecord(records, start, end) || this.#isTooOld(records, start)) continue
      if (this.#hasTimes && this.#isLineStart) length += records.copy(lines, length, start, start + TIME_BYTES + 1)
      length += records.copy(lines, length, start + HEADER_BYTES, end)
      this.#isLineStart = records[start + TAG_AT] === FULL
      if (this.#isLineStart) lines[length++] = NEWLINE
    }
    return lines.subarray(0, length)
  }

  #isTooOld(records: Buffer, start: number): boolean {
    const since = this.#since
    return since.length > 0 && since.compare(records, start, start + TIME_BYTES) > 0
  }
}

/** Where lines end in `records`, which begin with a whole one: after each record that is not a part of a line. */
export function lineEnds(records: Buffer): number[] {
  const ends: number[] = []
  for (let start = 0; start < records.length; ) {
    const end = records.indexOf(NEWLINE, start)
    if (end < 0) break
    if (isRecord(records, start, end) && records[start + TAG_AT] === FULL) ends.push(end + 1)
    start = end + 1
  }
  return ends
}

function isRecord(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < HEADER_BYTES) return false
  const tag = bytes[start + TAG_AT]
  return (tag === FULL || tag === PARTIAL) && SPACES_AT.every((at) => bytes[start + at] === SPACE)
}

function count(bytes: Buffer, wanted: number): number {
  let found = 0
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === wanted) found++
  return found
}
