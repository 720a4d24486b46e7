/** What the first message of a TLS client tells. `more` = it is not all there yet. */
export type ClientHello =
  | { readonly kind: 'more' }
  /** `serverName` in lower case; undefined when none that is a host name is asked for. */
  | { readonly kind: 'hello'; readonly serverName: string | undefined }
  | { readonly kind: 'other' }

/** Beyond that a hello is passed on unread: the longest with post-quantum keys has less than 2 KiB. */
export const MAX_HELLO_BYTES: number = 16 * 1024

const RECORD_HEADER_BYTES = 5
const MAX_RECORD_BYTES = 16 * 1024
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
/** RFC 1035 §2.3.4, and nothing that is not part of a name (RFC 6066 §3: no dot at the end). */
const HOST = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/

const MORE: ClientHello = { kind: 'more' }
const OTHER: ClientHello = { kind: 'other' }
const NAMELESS: ClientHello = { kind: 'hello', serverName: undefined }

/** Reads the server name of what a client has sent so far (RFC 8446 §4.1.2, RFC 6066 §3). Never throws. */
export function readClientHello(bytes: Uint8Array): ClientHello {
  const gathered = gatherHandshake(bytes)
  if (gathered === undefined) return OTHER
  if (gathered.length < 4) return MORE
  if (gathered[0] !== CLIENT_HELLO) return OTHER
  const length = ((gathered[1] as number) << 16) | ((gathered[2] as number) << 8) | (gathered[3] as number)
  if (length > MAX_HELLO_BYTES) return OTHER
  if (gathered.length < 4 + length) return MORE
  return readHello(new Reader(gathered, 4, 4 + length))
}

/** The content of handshake records so far, the last of them maybe cut; undefined when it is no run of those. */
function gatherHandshake(bytes: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== HANDSHAKE) return undefined
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return undefined
    if (at + RECORD_HEADER_BYTES > bytes.length) break
    const length = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number)
    if (length === 0 || length > MAX_RECORD_BYTES) return undefined
    at += RECORD_HEADER_BYTES
    parts.push(bytes.subarray(at, at + length))
    at += length
  }
  return parts.length === 1 ? parts[0] : Buffer.concat(parts)
}

function readHello(hello: Reader): ClientHello {
  const isWhole =
    hello.skip(2 + 32) && // version, random
    hello.skipVector(1) && // session
    hello.skipVector(2) && // cipher suites
    hello.skipVector(1) // compression
  if (!isWhole) return OTHER
  if (hello.isAtEnd) return NAMELESS
  const extensions = hello.vector(2)
  if (extensions === undefined || !hello.isAtEnd) return OTHER
  while (!extensions.isAtEnd) {
    const type = extensions.uint(2)
    const data = extensions.vector(2)
    if (type === undefined || data === undefined) return OTHER
    if (type === SERVER_NAME) return readServerName(data)
  }
  return NAMELESS
}

function readServerName(data: Reader): ClientHello {
  const list = data.vector(2)
  if (list === undefined) return OTHER
  while (!list.isAtEnd) {
    const type = list.uint(1)
    const name = list.vector(2)
    if (type === undefined || name === undefined) return OTHER
    if (type !== HOST_NAME) continue
    const text = name.text().toLowerCase()
    return HOST.test(text) ? { kind: 'hello', serverName: text } : NAMELESS
  }
  return NAMELESS
}

/** Reads big-endian fields within its bounds; undefined, or false, beyond them. */
class Reader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  uint(bytes: 1 | 2): number | undefined {
    if (this.#at + bytes > this.#end) return undefined
    let value = 0
    for (let i = 0; i < bytes; i++) value = value * 256 + (this.#bytes[this.#at++] as number)
    return value
  }

  skip(bytes: number): boolean {
    if (this.#at + bytes > this.#end) return false
    this.#at += bytes
    return true
  }

  skipVector(lengthBytes: 1 | 2): boolean {
    const length = this.uint(lengthBytes)
    return length !== undefined && this.skip(length)
  }

  vector(lengthBytes: 1 | 2): Reader | undefined {
    const length = this.uint(lengthBytes)
    const start = this.#at
    return length !== undefined && this.skip(length) ? new Reader(this.#bytes, start, start + length) : undefined
  }

  text(): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, this.#end - this.#at).toString('latin1')
  }
}
