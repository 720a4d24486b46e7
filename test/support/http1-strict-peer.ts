import type { ByteReceiver } from '#shared/net'
import type { MemoryChannel } from './memory-channel.ts'

export interface SeenRequest {
  readonly method: string
  readonly target: string
  readonly host: string
  /** `none`, `cl:<bytes>` or `chunked`. */
  readonly framing: string
  readonly body: string
  /** Names in lower case, those of trailers among them. */
  readonly names: readonly string[]
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.1$/
const FIELD =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)$/

/**
 * A back end that knows only the canonical form and takes nothing else: written with regular expressions over whole text, so
 * that it shares no line with what it judges. It answers each request, or says `answer` once and ends.
 */
export class StrictPeer implements ByteReceiver {
  readonly requests: SeenRequest[] = []
  readonly faults: string[] = []
  readonly #channel: MemoryChannel
  readonly #answer: readonly Buffer[] | undefined
  #text = ''

  constructor(channel: MemoryChannel, answer: readonly Buffer[] | undefined) {
    this.#channel = channel
    this.#answer = answer
    channel.start(this)
  }

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#text += Buffer.from(bytes.subarray(start, end)).toString('latin1')
    this.#channel.consumed(end - start)
    while (this.#readRequest());
  }

  onEnd(): void {
    this.#channel.end()
  }

  onWritable(): void {}

  onClosed(): void {}

  #readRequest(): boolean {
    const headEnd = this.#text.indexOf('\r\n\r\n')
    if (headEnd < 0 || this.faults.length > 0) return false
    const [first = '', ...lines] = this.#text.slice(0, headEnd).split('\r\n')
    const line = REQUEST_LINE.exec(first)
    const fields = lines.map((field) => FIELD.exec(field))
    if (line === null || fields.includes(null)) return this.#fault(this.#text.slice(0, headEnd))
    const values = (name: string): string[] =>
      fields.flatMap((field) => (field?.[1]?.toLowerCase() === name ? [field[2] ?? ''] : []))
    const lengths = values('content-length')
    const codings = values('transfer-encoding')
    if (values('host').length !== 1 || lengths.length + codings.length > 1) return this.#fault('host or framing')
    const names = fields.map((field) => field?.[1]?.toLowerCase() ?? '')
    const rest = this.#text.slice(headEnd + 4)
    let framing = 'none'
    let body = ''
    let taken = 0
    if (lengths[0] !== undefined) {
      if (!/^(?:0|[1-9]\d*)$/.test(lengths[0])) return this.#fault(`length ${lengths[0]}`)
      taken = Number(lengths[0])
      if (rest.length < taken) return false
      framing = `cl:${taken}`
      body = rest.slice(0, taken)
    } else if (codings[0] !== undefined) {
      if (codings[0] !== 'chunked') return this.#fault(`coding ${codings[0]}`)
      framing = 'chunked'
      const chunks = readChunks(rest)
      if (chunks === undefined) return false
      if (typeof chunks === 'string') return this.#fault(chunks)
      body = chunks.body
      taken = chunks.length
      names.push(...chunks.names)
    }
    this.#text = rest.slice(taken)
    this.requests.push({
      method: line[1] ?? '',
      target: line[2] ?? '',
      host: values('host')[0] ?? '',
      framing,
      body,
      names,
    })
    this.#reply()
    return true
  }

  #reply(): void {
    for (const piece of this.#answer ?? [OK]) this.#channel.write(piece, 0, piece.length)
    if (this.#answer !== undefined) this.#channel.end()
  }

  #fault(what: string): false {
    this.faults.push(what)
    return false
  }
}

const OK = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')

/** A body of chunks; undefined = there is more to come, a text = what is wrong. */
function readChunks(text: string): { body: string; length: number; names: string[] } | undefined | string {
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = text.slice(at, lineEnd)
    if (!/^(?:0|[1-9a-f][0-9a-f]{0,7})$/.test(size)) return `chunk ${size}`
    at = lineEnd + 2
    const bytes = Number.parseInt(size, 16)
    if (bytes === 0) break
    if (text.length < at + bytes + 2) return undefined
    body += text.slice(at, at + bytes)
    if (text.slice(at + bytes, at + bytes + 2) !== '\r\n') return 'chunk without its end'
    at += bytes + 2
  }
  const names: string[] = []
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const field = FIELD.exec(text.slice(at, lineEnd))
    const isEnd = lineEnd === at
    at = lineEnd + 2
    if (isEnd) return { body, length: at, names }
    if (field === null) return 'trailer'
    names.push(field[1]?.toLowerCase() ?? '')
  }
}
