/** What a client's first bytes are the beginning of. `more` = they do not tell yet. */
export type FirstBytes = 'more' | 'http1' | 'http2' | 'tls' | 'other'

/** As much of the connection preface of HTTP/2 as no request of HTTP/1 can begin with (RFC 9113 §3.4). */
const PREFACE: Uint8Array = Buffer.from('PRI * HTTP/2.0\r\n')

/** Longer methods than that are no HTTP that anybody speaks. */
const MAX_METHOD_BYTES = 24
const ABSOLUTE: Uint8Array = Buffer.from('http')
const CONNECT: Uint8Array = Buffer.from('CONNECT ')
const TLS_HANDSHAKE = 22
const TLS_MAJOR = 3
const [SPACE, SLASH, STAR, DASH, A, Z] = [32, 47, 42, 45, 65, 90]

/** Which HTTP is spoken on a port that is known for it: the preface, or anything else, which is HTTP/1 to refuse. */
export function httpOf(bytes: Uint8Array): 'more' | 'http1' | 'http2' {
  if (!startsAlike(bytes, 0, PREFACE)) return 'http1'
  return bytes.length < PREFACE.length ? 'more' : 'http2'
}

/**
 * What is spoken on a port that nobody declared. HTTP/1 is a method in capitals, a space and what a target begins with,
 * so that protocols of words (`GET key`, `QUIT`, `STAT x`) are not taken for it.
 */
export function protocolOf(bytes: Uint8Array): FirstBytes {
  if (bytes.length === 0) return 'more'
  if (bytes[0] === TLS_HANDSHAKE) return bytes.length < 2 ? 'more' : bytes[1] === TLS_MAJOR ? 'tls' : 'other'
  if (startsAlike(bytes, 0, PREFACE)) return bytes.length < PREFACE.length ? 'more' : 'http2'
  if (startsAlike(bytes, 0, CONNECT) && bytes.length >= CONNECT.length) return 'http1'
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === SPACE && at > 0) return targetBegins(bytes, at + 1)
    const isOfMethod = (byte >= A && byte <= Z) || (byte === DASH && at > 0)
    if (!isOfMethod || at === MAX_METHOD_BYTES) return 'other'
  }
  return 'more'
}

function targetBegins(bytes: Uint8Array, at: number): FirstBytes {
  if (at === bytes.length) return 'more'
  const first = bytes[at]
  if (first === SLASH || first === STAR) return 'http1'
  if (!startsAlike(bytes, at, ABSOLUTE)) return 'other'
  return bytes.length - at < ABSOLUTE.length ? 'more' : 'http1'
}

/** Whether the shorter of both is the beginning of the longer one. */
function startsAlike(bytes: Uint8Array, from: number, expected: Uint8Array): boolean {
  const length = Math.min(bytes.length - from, expected.length)
  for (let i = 0; i < length; i++) if (bytes[from + i] !== expected[i]) return false
  return true
}
