import { HEX, HOST } from './octets.ts'

const OPEN = 91
const CLOSE = 93
const PERCENT = 37
const COLON = 58
const DOT = 46
const MAX_PORT_DIGITS = 5
/** `[::]` is the shortest address in brackets. */
const MIN_BRACKETED = 3

/**
 * Whether text is a host with or without a port, and nothing else (RFC 3986 §3.2 without a user). Its parts are held to their
 * places, not only its octets: what one reader takes for a port must not be a part of the name for another.
 */
export function isAuthority(text: string): boolean {
  let at = text.charCodeAt(0) === OPEN ? endOfBracketed(text) : endOfName(text)
  if (at <= 0) return false
  if (at === text.length) return true
  if (text.charCodeAt(at) !== COLON || text.length - at - 1 > MAX_PORT_DIGITS) return false
  for (at++; at < text.length; at++) {
    const digit = text.charCodeAt(at) - 48
    if (digit < 0 || digit > 9) return false
  }
  return true
}

function endOfName(text: string): number {
  let at = 0
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (HOST[code] === 1) continue
    if (code !== PERCENT || !isHex(text, at + 1) || !isHex(text, at + 2)) break
  }
  return at
}

/** Behind the bracket that closes; 0 = it is no address. */
function endOfBracketed(text: string): number {
  let at = 1
  for (; at < text.length && text.charCodeAt(at) !== CLOSE; at++) {
    const code = text.charCodeAt(at)
    if (!isHex(text, at) && code !== COLON && code !== DOT) return 0
  }
  return at === text.length || at < MIN_BRACKETED ? 0 : at + 1
}

function isHex(text: string, at: number): boolean {
  return at < text.length && (HEX[text.charCodeAt(at)] ?? -1) >= 0
}
