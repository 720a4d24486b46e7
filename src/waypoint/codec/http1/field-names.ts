import { TOKEN } from './octets.ts'

/** Names that are told apart by number while a head is scanned; 0 = any other. Those up to `LAST_SPECIAL` steer the codec. */
const NAMES = [
  '',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'expect',
  'http2-settings',
  'proxy-authenticate',
  'proxy-authorization',
  'accept',
  'accept-encoding',
  'accept-language',
  'authorization',
  'baggage',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'location',
  'max-forwards',
  'origin',
  'pragma',
  'range',
  'referer',
  'server',
  'set-cookie',
  'traceparent',
  'tracestate',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
  'x-b3-traceid',
  'x-envoy-attempt-count',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
] as const

type KnownName = (typeof NAMES)[number]

function idOf(name: KnownName): number {
  return NAMES.indexOf(name)
}

/** Places of `NAMES`, as its test holds. */
export const ID = {
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 9,
  expect: 10,
} as const

/** Those up to here are looked at while a head is scanned. */
export const LAST_SPECIAL: number = idOf('expect')

/**
 * Fields of one hop: a proxy reads them and does not pass them on (RFC 9110 §7.6.1), or writes them anew. `proxy-*` are
 * between a client and its own proxy, which this is not.
 */
const HOP_NAMES: readonly KnownName[] = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'proxy-authenticate',
  'proxy-authorization',
]
const IS_HOP = new Uint8Array(NAMES.length)
for (const name of HOP_NAMES) IS_HOP[idOf(name)] = 1

export function isHopId(id: number): boolean {
  return IS_HOP[id] === 1
}

/**
 * Fields that trailers must not carry: framing, routing, authentication, and what a receiver reads before the body (RFC 9110
 * §6.5.1).
 */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set<string>([
  ...HOP_NAMES,
  'expect',
  'max-forwards',
  'cache-control',
  'range',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'authorization',
  'www-authenticate',
  'cookie',
  'set-cookie',
  'content-encoding',
  'content-type',
  'content-range',
  'date',
  'location',
  'vary',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
])

export function mayBeTrailer(name: string): boolean {
  return !NOT_IN_TRAILERS.has(name)
}

/** Slots of a hash table that is never more than a tenth full. */
const SLOTS = 1024
const OCTETS = NAMES.map((name) => Buffer.from(name))
const IDS = new Uint8Array(SLOTS)

/** One step of the hash of a name, over its octets in lower case. */
export function hashStep(hash: number, octet: number): number {
  return (Math.imul(hash, 31) + octet) | 0
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (SLOTS - 1)
}

for (const [id, octets] of OCTETS.entries()) {
  if (id === 0) continue
  let slot = slotOf(octets.reduce(hashStep, 0))
  while (IDS[slot] !== 0) slot = (slot + 1) & (SLOTS - 1)
  IDS[slot] = id
}

/** The number of the name in `bytes[start, end)`, 0 when it has none. @param hash of its octets in lower case */
export function knownId(bytes: Uint8Array, start: number, end: number, hash: number): number {
  for (let slot = slotOf(hash); ; slot = (slot + 1) & (SLOTS - 1)) {
    const id = IDS[slot] ?? 0
    if (id === 0) return 0
    const name = OCTETS[id]
    if (name === undefined || name.length !== end - start) continue
    let at = 0
    while (at < name.length && name[at] === TOKEN[bytes[start + at] ?? 0]) at++
    if (at === name.length) return id
  }
}

/** A known name without decoding it. */
export function nameOf(id: number): string {
  return NAMES[id] ?? ''
}

/** The number of a name that is text. */
export function idOfName(name: string): number {
  let hash = 0
  for (let at = 0; at < name.length; at++) hash = hashStep(hash, name.charCodeAt(at))
  for (let slot = slotOf(hash); ; slot = (slot + 1) & (SLOTS - 1)) {
    const id = IDS[slot] ?? 0
    if (id === 0 || NAMES[id] === name) return id
  }
}
