/**
 * How far paths are brought into one form (MeshConfig.pathNormalization): not at all; RFC 3986 and `\` as `/`; repeated
 * slashes as one, too; encoded slashes as slashes, too.
 */
export type PathNormalization = 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES'

/**
 * The one form of a request's target: what policies and routes compare and endpoints get. The query stays as it came; a
 * fragment goes. The same text when nothing had to change, so that a clean path costs one look at each character.
 *
 * @returns undefined for what different servers read differently; the request is then refused
 */
export function normalisePath(target: string, mode: PathNormalization): string | undefined {
  if (target === '*') return target
  if (target.charCodeAt(0) !== SLASH) return undefined
  if (mode === 'NONE') return withoutFragment(target)
  const merges = mode !== 'BASE'
  const end = cleanUntil(target, merges)
  if (end === target.length) return target
  const query = queryFrom(target)
  // Only the path has to be clean.
  const isClean = end === query.start
  const path = isClean ? target.slice(0, end) : canonicalPath(target.slice(0, query.start), mode)
  if (path === undefined) return undefined
  if (isClean && query.end === target.length) return target
  return path + target.slice(query.start, query.end)
}

const PERCENT = 0x25
const DOT = 0x2e
const SLASH = 0x2f
const SEMICOLON = 0x3b
const BACKSLASH = 0x5c

/** What may stand in a path as it is (RFC 3986 `pchar`, and the slash). */
const PLAIN = tableOf(/[A-Za-z0-9\-._~!$&'()*+,;=:@/]/)
/** What must not be encoded (RFC 3986 §6.2.2.2). */
const UNRESERVED = tableOf(/[A-Za-z0-9\-._~]/)

function tableOf(characters: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (characters.test(String.fromCharCode(code)) ? 1 : 0))
}

/** Where the first character is that may have to change, or begins a query; the length of the text without any. */
function cleanUntil(text: string, merges: boolean): number {
  let before = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (PLAIN[code] !== 1) return i
    if (before === SLASH && (code === DOT ? isDotSegment(text, i) : merges && code === SLASH)) return i - 1
    before = code
  }
  return text.length
}

/** Whether one or two dots fill the segment that begins there, but for its parameters. */
function isDotSegment(text: string, start: number): boolean {
  const next = text.charCodeAt(start + 1) === DOT ? start + 2 : start + 1
  if (next >= text.length) return true
  const code = text.charCodeAt(next)
  return (
    code === SLASH || code === SEMICOLON || code === PERCENT || code === BACKSLASH || code === 0x3f || code === 0x23
  )
}

function queryFrom(target: string): { readonly start: number; readonly end: number } {
  const hash = target.indexOf('#')
  const end = hash === -1 ? target.length : hash
  const mark = target.indexOf('?')
  return { start: mark === -1 || mark > end ? end : mark, end }
}

function withoutFragment(target: string): string {
  const hash = target.indexOf('#')
  return hash === -1 ? target : target.slice(0, hash)
}

function canonicalPath(path: string, mode: PathNormalization): string | undefined {
  const octets = canonicalOctets(path, mode === 'DECODE_AND_MERGE_SLASHES')
  if (octets === undefined) return undefined
  const kept = withoutDotSegments(octets)
  const merged = mode === 'BASE' ? kept : kept.replace(/\/{2,}/g, '/')
  return HIDDEN_DOTS.test(merged) ? undefined : merged
}

/**
 * A dot segment that only some servers see: beside an encoded slash, or with parameters behind it. (This expression is ours
 * and has no repetition inside another.)
 */
const HIDDEN_DOTS = /(?:\/|%2F|%5C)\.\.?(?:;|%3B|%2F|%5C|\/|$)/

/** Every octet in its one spelling; undefined for what has none. */
function canonicalOctets(path: string, decodesSlashes: boolean): string | undefined {
  let out = ''
  let before = 0
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i)
    const octet = code === PERCENT ? escapedAt(path, i) : code
    if (octet === undefined || octet === 0 || octet > 0xff || isOverlong(before, octet)) return undefined
    const isEscape = code === PERCENT
    if (isEscape) i += 2
    if (isEscape ? decodesSlashes && (octet === SLASH || octet === BACKSLASH) : octet === BACKSLASH) out += '/'
    else if (isEscape ? UNRESERVED[octet] === 1 : PLAIN[octet] === 1) out += String.fromCharCode(octet)
    else if (!isEscape && (octet <= 0x20 || octet === 0x7f)) return undefined
    else out += ESCAPES[octet]
    before = octet
  }
  return out
}

const ESCAPES: readonly string[] = Array.from(
  { length: 256 },
  (_, octet) => `%${octet.toString(16).toUpperCase().padStart(2, '0')}`,
)

/** The octet behind a percent sign; undefined when two hexadecimal digits do not follow. */
function escapedAt(text: string, at: number): number | undefined {
  const high = digitOf(text.charCodeAt(at + 1))
  const low = digitOf(text.charCodeAt(at + 2))
  return high === undefined || low === undefined ? undefined : high * 16 + low
}

function digitOf(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined
}

/** UTF-8 with more octets than its character needs: a careless decoder makes a slash or a dot of it. */
function isOverlong(lead: number, next: number): boolean {
  if (next < 0x80 || next > 0xbf) return false
  return (
    lead === 0xc0 ||
    lead === 0xc1 ||
    (lead === 0xe0 && next < 0xa0) ||
    (lead === 0xf0 && next < 0x90) ||
    (lead === 0xf8 && next < 0x88) ||
    (lead === 0xfc && next < 0x84)
  )
}

/** RFC 3986 §5.2.4; what would leave the root stays at it. */
function withoutDotSegments(path: string): string {
  if (!path.includes('/.')) return path
  const segments = path.split('/')
  const kept: string[] = []
  for (const segment of segments) {
    if (segment === '..') {
      if (kept.length > 1) kept.pop()
    } else if (segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  if (last === '.' || last === '..') kept.push('')
  return kept.join('/')
}
