/** A request as a proxy has to write it: nothing of it can be read in two ways. */
export interface CanonicalRequest {
  readonly method: string
  readonly target: string
  readonly host: string | undefined
  /** `none`, `chunked`, or `cl:LENGTH`. */
  readonly framing: string
  readonly body: string
  /** Names in lower case, of head and trailers. */
  readonly names: readonly string[]
}

const HEAD =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP\/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\r\n\0]*\r\n)*)\r\n/

/**
 * Reads the one request that `text` should be, by the strictest grammar and not by the codec's own reader.
 *
 * @returns `undefined` while it is not whole
 * @throws Error when it is not canonical, or something follows it
 */
export function readCanonical(text: string): CanonicalRequest | undefined {
  const [head, method = '', target = '', lines = ''] = HEAD.exec(text) ?? []
  if (head === undefined) {
    if (text.includes('\r\n\r\n')) throw new Error(`not canonical: ${JSON.stringify(text.slice(0, 200))}`)
    return undefined
  }
  const fields = fieldsOf(lines)
  const valuesOf = (name: string): readonly string[] =>
    fields.flatMap(([other, value]) => (other === name ? [value] : []))
  const hosts = valuesOf('host')
  if (hosts.length > 1) throw new Error('two hosts')
  const lengths = valuesOf('content-length')
  const encodings = valuesOf('transfer-encoding')
  if (lengths.length + encodings.length > 1) throw new Error('two framings')
  const rest = text.slice(head.length)
  const read = (framing: string, body: string, after: string, trailers: readonly string[] = []): CanonicalRequest => {
    if (after !== '') throw new Error(`something follows: ${JSON.stringify(after.slice(0, 100))}`)
    return { method, target, host: hosts[0], framing, body, names: [...fields.map(([name]) => name), ...trailers] }
  }
  if (lengths[0] !== undefined) {
    if (!/^(0|[1-9]\d*)$/.test(lengths[0])) throw new Error(`odd length ${lengths[0]}`)
    const length = Number(lengths[0])
    return rest.length < length ? undefined : read(`cl:${length}`, rest.slice(0, length), rest.slice(length))
  }
  if (encodings[0] === undefined) return read('none', '', rest)
  if (encodings[0] !== 'chunked') throw new Error(`odd encoding ${encodings[0]}`)
  let body = ''
  for (let left = rest; ; ) {
    const [line, digits = ''] = /^([0-9a-f]{1,8})\r\n/.exec(left) ?? []
    if (line === undefined) {
      if (left.length > 10) throw new Error(`odd chunk ${JSON.stringify(left.slice(0, 40))}`)
      return undefined
    }
    const size = Number.parseInt(digits, 16)
    left = left.slice(line.length)
    if (size === 0) {
      const [trailers, trailerLines = ''] = /^((?:[^\r\n:]+: [^\r\n]*\r\n)*)\r\n/.exec(left) ?? []
      if (trailers === undefined) return undefined
      return read(
        'chunked',
        body,
        left.slice(trailers.length),
        fieldsOf(trailerLines).map(([name]) => name),
      )
    }
    if (left.length < size + 2) return undefined
    if (left.slice(size, size + 2) !== '\r\n') throw new Error('a chunk without its end')
    body += left.slice(0, size)
    left = left.slice(size + 2)
  }
}

function fieldsOf(lines: string): readonly (readonly [name: string, value: string])[] {
  return lines
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => {
      const at = line.indexOf(': ')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 2)]
    })
}
