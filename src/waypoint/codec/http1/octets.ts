/*
 * Which octets may stand where (RFC 9110 §5.5, §5.6.2, RFC 9112 §3). Tables of 256, so that a scan costs one look-up an octet.
 */

export const CR = 13
export const LF = 10
export const SP = 32
export const TAB = 9
export const COLON = 58
export const COMMA = 44
export const SEMICOLON = 59

/** Token octets as their lower case; 0 = none. */
export const TOKEN: Uint8Array = table("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz", (octet) => octet)
for (let octet = 65; octet <= 90; octet++) TOKEN[octet] = octet + 32

/** Octets of a field's value: tab, visible ASCII, and what is above it. */
export const VALUE: Uint8Array = range([TAB, TAB], [32, 126], [128, 255])

/** Octets of a request's target: visible ASCII. */
export const TARGET: Uint8Array = range([33, 126])

/** Octets of a host's name (RFC 3986 §3.2.2) but the comma, as some readers take a list there, and percent-encoding. */
export const HOST: Uint8Array = table(
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+;=",
  () => 1,
)

/** What a hex digit stands for; -1 = none. */
export const HEX: Int8Array = new Int8Array(256).fill(-1)
for (let digit = 0; digit < 10; digit++) HEX[48 + digit] = digit
for (let digit = 0; digit < 6; digit++) {
  HEX[65 + digit] = 10 + digit
  HEX[97 + digit] = 10 + digit
}

/** Whether `bytes[start, end)` is that word in any case. @param word in lower case */
export function isWord(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false
  for (let at = 0; at < word.length; at++) if (TOKEN[bytes[start + at] ?? 0] !== word.charCodeAt(at)) return false
  return true
}

function table(octets: string, stored: (octet: number) => number): Uint8Array {
  const made = new Uint8Array(256)
  for (const octet of Buffer.from(octets)) made[octet] = stored(octet)
  return made
}

function range(...ranges: readonly (readonly [first: number, last: number])[]): Uint8Array {
  const made = new Uint8Array(256)
  for (const [first, last] of ranges) made.fill(1, first, last + 1)
  return made
}
