import { hashStep, ID, knownId, LAST_SPECIAL } from './field-names.ts'
import { Malformed } from './malformed.ts'
import { COLON, COMMA, CR, isWord, LF, SP, TAB, TARGET, TOKEN, VALUE } from './octets.ts'

/** Numbers of one field line in a table: where its name and value begin and end, and the name's number. */
export const LINE_NUMBERS = 5

const NO_LINE = -1
const SEVERAL_LINES = -2
/** What `Connection` may name: more than anybody has. */
const MAX_HOP_NAMES = 32
const ZERO = 48
const ONE = 49
const DOT = 46
const MAX_METHOD_BYTES = 64
/** 10^15 - 1 octets: more than anybody sends, and exact as a number. */
const MAX_LENGTH_DIGITS = 15
const MAX_LEADING_LINES = 2
const VERSION_BYTES = 'HTTP/1.1\r\n'.length
const MIN_STATUS_LINE_BYTES = 'HTTP/1.1 200\r\n'.length

/**
 * One head as it was found in a buffer: offsets, and what its framing fields say. A scan makes no strings, and one record
 * serves all messages, as it is read in the same turn.
 */
export class HeadScan {
  readonly lines: Int32Array
  lineCount = 0
  /** Where the method, or the status line, begins: behind leading empty lines. */
  start = 0
  methodEnd = 0
  targetStart = 0
  targetEnd = 0
  status = 0
  /** Of the request line, with the empty lines before it; Infinity = it has not ended. */
  firstLineBytes: number = Number.POSITIVE_INFINITY
  /** Of HTTP/1. */
  minor = 1
  /** -1 = not said. */
  contentLength = -1
  transferEncoding: 'none' | 'chunked' | 'other' = 'none'
  saysClose = false
  saysKeepAlive = false
  saysUpgrade = false
  /** Line of `Upgrade`, when there is exactly one; less than 0 = none of use. */
  upgradeLine: number = NO_LINE
  hostLine = -1
  expectsContinue = false
  /** What `Connection` names besides the words above, in lower case. */
  hopNames: string[] | undefined

  constructor(maxFields: number) {
    this.lines = new Int32Array(maxFields * LINE_NUMBERS)
  }

  reset(): void {
    this.firstLineBytes = Number.POSITIVE_INFINITY
    this.lineCount = 0
    this.contentLength = -1
    this.transferEncoding = 'none'
    this.saysClose = false
    this.saysKeepAlive = false
    this.saysUpgrade = false
    this.upgradeLine = NO_LINE
    this.hostLine = -1
    this.expectsContinue = false
    this.hopNames = undefined
  }

  /** Value of a line as text. */
  valueOf(bytes: Buffer, line: number): string {
    const at = line * LINE_NUMBERS
    return bytes.toString('latin1', this.lines[at + 2], this.lines[at + 3])
  }
}

type Kind = 'request' | 'response' | 'trailers'

/**
 * Reads a request's head in `bytes[from, end)`.
 *
 * @returns where it ends, or -1 when more is needed
 * @throws Malformed as soon as it is known
 */
export function scanRequest(scan: HeadScan, bytes: Buffer, from: number, end: number): number {
  scan.reset()
  let at = skipEmptyLines(bytes, from, end)
  if (at < 0) return -1
  scan.start = at
  while (at < end && TOKEN[bytes[at] as number] !== 0) at++
  if (at - scan.start > MAX_METHOD_BYTES) throw new Malformed('the method is too long')
  if (at === end) return -1
  if (bytes[at] !== SP || at === scan.start) throw new Malformed('the request line has no method')
  scan.methodEnd = at++
  scan.targetStart = at
  while (at < end && TARGET[bytes[at] as number] === 1) at++
  if (at === end) return -1
  if (bytes[at] !== SP || at === scan.targetStart) throw new Malformed('the request line has no target')
  scan.targetEnd = at++
  if (!isVersion(bytes, at, Math.min(end, at + 5), 'HTTP/')) throw new Malformed('the request line has no version')
  checkVersion(bytes, at + 5, end)
  if (end - at < VERSION_BYTES) return -1
  if (bytes[at + 8] !== CR || bytes[at + 9] !== LF)
    throw new Malformed('the request line does not end behind its version')
  scan.minor = (bytes[at + 7] as number) - 48
  scan.firstLineBytes = at + VERSION_BYTES - from
  const ended = scanFields(scan, bytes, at + VERSION_BYTES, end, 'request')
  if (ended < 0) return -1
  checkFraming(scan, 'request')
  if (scan.hostLine < 0 && scan.minor === 1) throw new Malformed('no Host')
  return ended
}

/** As `scanRequest`, of an answer. */
export function scanResponse(scan: HeadScan, bytes: Buffer, from: number, end: number): number {
  scan.reset()
  scan.start = from
  if (end - from < MIN_STATUS_LINE_BYTES) {
    if (!isVersion(bytes, from, Math.min(end, from + 7), 'HTTP/1.') || bytes.subarray(from, end).includes(LF)) {
      throw new Malformed('the answer has no status line')
    }
    return -1
  }
  const minor = (bytes[from + 7] as number) - 48
  if (!isVersion(bytes, from, from + 7, 'HTTP/1.') || (minor !== 0 && minor !== 1) || bytes[from + 8] !== SP) {
    throw new Malformed('the answer has no status line')
  }
  scan.minor = minor
  scan.status = 0
  for (let at = from + 9; at < from + 12; at++) {
    const digit = (bytes[at] as number) - 48
    if (digit < 0 || digit > 9) throw new Malformed('the status is no number of three digits')
    scan.status = scan.status * 10 + digit
  }
  if (scan.status < 100 || scan.status > 599) throw new Malformed('the status is of no class')
  let at = from + 12
  if (bytes[at] === SP) {
    at++
    while (at < end && VALUE[bytes[at] as number] === 1) at++
  }
  if (end - at < 2) {
    if (at < end && bytes[at] !== CR) throw new Malformed('the status line has an odd octet')
    return -1
  }
  if (bytes[at] !== CR || bytes[at + 1] !== LF) throw new Malformed('the status line has an odd octet')
  const ended = scanFields(scan, bytes, at + 2, end, 'response')
  if (ended >= 0) checkFraming(scan, 'response')
  return ended
}

/** Field lines to the empty line behind them; framing fields are not looked at. */
export function scanTrailers(scan: HeadScan, bytes: Buffer, from: number, end: number): number {
  scan.reset()
  return scanFields(scan, bytes, from, end, 'trailers')
}

function scanFields(scan: HeadScan, bytes: Buffer, from: number, end: number, kind: Kind): number {
  const { lines } = scan
  let at = from
  let line = 0
  for (;;) {
    if (at === end) return -1
    let octet = bytes[at] as number
    if (octet === CR) {
      if (at + 1 === end) return -1
      if (bytes[at + 1] !== LF) throw new Malformed('CR without LF')
      scan.lineCount = line
      return at + 2
    }
    const nameStart = at
    let hash = 0
    for (let lower = TOKEN[octet] as number; lower !== 0; lower = TOKEN[octet] as number) {
      hash = hashStep(hash, lower)
      if (++at === end) return -1
      octet = bytes[at] as number
    }
    if (octet !== COLON || at === nameStart) throw new Malformed('a field line has no name')
    const nameEnd = at
    do {
      if (++at === end) return -1
      octet = bytes[at] as number
    } while (octet === SP || octet === TAB)
    const valueStart = at
    while (VALUE[octet] === 1) {
      if (++at === end) return -1
      octet = bytes[at] as number
    }
    if (octet !== CR) throw new Malformed('a field value has an octet that none may have')
    if (at + 1 === end) return -1
    if (bytes[at + 1] !== LF) throw new Malformed('CR without LF')
    let valueEnd = at
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === TAB)) valueEnd--
    at += 2
    const place = line * LINE_NUMBERS
    if (place === lines.length) throw new Malformed('more field lines than are taken', 431)
    const id = knownId(bytes, nameStart, nameEnd, hash)
    lines[place] = nameStart
    lines[place + 1] = nameEnd
    lines[place + 2] = valueStart
    lines[place + 3] = valueEnd
    lines[place + 4] = id
    if (id !== 0 && id <= LAST_SPECIAL && kind !== 'trailers') {
      note(scan, bytes, line, id, valueStart, valueEnd, kind)
    }
    line++
  }
}

function note(
  scan: HeadScan,
  bytes: Buffer,
  line: number,
  id: number,
  start: number,
  end: number,
  kind: Exclude<Kind, 'trailers'>,
): void {
  switch (id) {
    case ID.host:
      if (scan.hostLine >= 0) throw new Malformed('more than one Host')
      scan.hostLine = line
      return
    case ID.contentLength:
      if (scan.contentLength >= 0) throw new Malformed('more than one Content-Length')
      scan.contentLength = readLength(bytes, start, end)
      return
    case ID.transferEncoding:
      if (!isWord(bytes, start, end, 'chunked')) scan.transferEncoding = 'other'
      else if (scan.transferEncoding === 'chunked') throw new Malformed('more than one Transfer-Encoding')
      else if (scan.transferEncoding === 'none') scan.transferEncoding = 'chunked'
      return
    case ID.connection:
      readConnection(scan, bytes, start, end)
      return
    case ID.upgrade:
      // Several are a choice, of which nobody knows what the next one takes.
      scan.upgradeLine = scan.upgradeLine === NO_LINE ? line : SEVERAL_LINES
      return
    case ID.expect:
      if (kind !== 'request') return
      if (scan.expectsContinue || !isWord(bytes, start, end, '100-continue')) {
        throw new Malformed('an expectation that nobody can meet', 417)
      }
      scan.expectsContinue = true
  }
}

function readLength(bytes: Buffer, start: number, end: number): number {
  if (end === start || end - start > MAX_LENGTH_DIGITS) throw new Malformed('Content-Length is no length')
  let length = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 48
    if (digit < 0 || digit > 9) throw new Malformed('Content-Length is no length')
    length = length * 10 + digit
  }
  return length
}

function readConnection(scan: HeadScan, bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) {
    let wordStart = at
    while (at < end && bytes[at] !== COMMA) at++
    let wordEnd = at
    while (wordStart < wordEnd && isSpace(bytes[wordStart])) wordStart++
    while (wordEnd > wordStart && isSpace(bytes[wordEnd - 1])) wordEnd--
    if (wordEnd === wordStart) continue
    if (isWord(bytes, wordStart, wordEnd, 'close')) scan.saysClose = true
    else if (isWord(bytes, wordStart, wordEnd, 'keep-alive')) scan.saysKeepAlive = true
    else if (isWord(bytes, wordStart, wordEnd, 'upgrade')) scan.saysUpgrade = true
    else {
      for (let octet = wordStart; octet < wordEnd; octet++) {
        if (TOKEN[bytes[octet] as number] === 0) throw new Malformed('Connection names what is no field')
      }
      scan.hopNames ??= []
      if (scan.hopNames.length === MAX_HOP_NAMES) throw new Malformed('Connection names too many fields')
      scan.hopNames.push(bytes.toString('latin1', wordStart, wordEnd).toLowerCase())
    }
  }
}

/** One framing, and one that its version has (RFC 9112 §6.1): two are how requests are smuggled. */
function checkFraming(scan: HeadScan, kind: 'request' | 'response'): void {
  if (scan.transferEncoding === 'none') return
  if (scan.transferEncoding === 'other') {
    throw new Malformed('a Transfer-Encoding other than chunked', kind === 'request' ? 501 : 502)
  }
  if (scan.contentLength >= 0) throw new Malformed('both Content-Length and Transfer-Encoding')
  if (scan.minor === 0) throw new Malformed('Transfer-Encoding in HTTP/1.0')
}

/** Some clients send an empty line behind a body (RFC 9112 §2.2). */
function skipEmptyLines(bytes: Buffer, from: number, end: number): number {
  let at = from
  for (let skipped = 0; at < end && bytes[at] === CR; skipped++) {
    if (at + 1 === end) return -1
    if (bytes[at + 1] !== LF || skipped === MAX_LEADING_LINES)
      throw new Malformed('the request begins with empty lines')
    at += 2
  }
  return at === end ? -1 : at
}

function isVersion(bytes: Buffer, start: number, end: number, wanted: string): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== wanted.charCodeAt(at - start)) return false
  return true
}

function isSpace(octet: number | undefined): boolean {
  return octet === SP || octet === TAB
}

/** @param at where `1.1` should stand, of which there may be less before `end` */
function checkVersion(bytes: Buffer, at: number, end: number): void {
  const isOne = isDigit(bytes, at, end) && (at + 1 >= end || bytes[at + 1] === DOT) && isDigit(bytes, at + 2, end)
  if (!isOne) throw new Malformed('the request line has no version')
  if (at + 2 >= end) return
  const minor = bytes[at + 2]
  if (bytes[at] !== ONE || (minor !== ZERO && minor !== ONE)) {
    throw new Malformed('a version other than HTTP/1.0 and 1.1', 505)
  }
}

function isDigit(bytes: Buffer, at: number, end: number): boolean {
  if (at >= end) return true
  const digit = (bytes[at] as number) - ZERO
  return digit >= 0 && digit <= 9
}
