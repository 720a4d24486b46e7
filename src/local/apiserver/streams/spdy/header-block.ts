import { constants, createInflate, type Inflate } from 'node:zlib'
import { MeshError } from '#shared/errors'
import { DICTIONARY_ID, HEADER_DICTIONARY } from './dictionary.ts'

/** Of one block when inflated; kubectl's are below 300. */
const MAX_BLOCK_BYTES = 16 * 1024

/** Names in lower case. */
export type SpdyHeaders = ReadonlyMap<string, string>

/** Reads the header blocks of one direction: they are one compressed stream, so their order matters. */
export class HeaderDecoder {
  readonly #inflate: Inflate = createInflate({ dictionary: HEADER_DICTIONARY, flush: constants.Z_SYNC_FLUSH })
  #parts: Buffer[] = []
  #bytes = 0
  #failed: ((error: Error) => void) | undefined

  constructor() {
    this.#inflate.on('data', (part: Buffer) => {
      this.#bytes += part.length
      if (this.#bytes > MAX_BLOCK_BYTES) this.#inflate.destroy(invalid('a header block is too long'))
      else this.#parts.push(part)
    })
    this.#inflate.on('error', (error) => this.#failed?.(error))
  }

  /** One at a time. @throws MeshError `STREAM_PROTOCOL_INVALID` */
  async decode(block: Buffer): Promise<SpdyHeaders> {
    this.#parts = []
    this.#bytes = 0
    await new Promise<void>((resolve, reject) => {
      this.#failed = (error) => reject(error instanceof MeshError ? error : invalid(`a header block: ${error.message}`))
      // What was inflated is handed on in later ticks.
      this.#inflate.write(block, (error) => (error ? this.#failed?.(error) : setImmediate(resolve)))
    })
    return readPairs(Buffer.concat(this.#parts))
  }

  close(): void {
    this.#inflate.destroy()
  }
}

/**
 * Writes header blocks as stored (not compressed) deflate blocks: a stream that any inflater reads, without state but
 * its beginning. Replies have no headers, so there is nothing to save.
 */
export class HeaderEncoder {
  #hasBegun = false

  encodeEmpty(): Buffer {
    // A stored block of the four bytes of a count of 0, then an empty one: Go hands bytes on only at such a flush.
    const noPairs = Buffer.from([0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
    if (this.#hasBegun) return noPairs
    this.#hasBegun = true
    // zlib: deflate, 32 KiB window, a preset dictionary.
    const begin = Buffer.from([0x78, 0xbb, 0, 0, 0, 0])
    begin.writeUInt32BE(DICTIONARY_ID, 2)
    return Buffer.concat([begin, noPairs])
  }
}

/** Number of pairs, then each name and value behind its length, all of 32 bits (§2.6.10). */
export function readPairs(bytes: Buffer): SpdyHeaders {
  const headers = new Map<string, string>()
  let at = 0
  const number = (): number => {
    if (at + 4 > bytes.length) throw invalid('a header block is cut off')
    at += 4
    return bytes.readUInt32BE(at - 4)
  }
  const text = (): string => {
    const length = number()
    if (length > bytes.length - at) throw invalid('a header block is cut off')
    at += length
    return bytes.toString('latin1', at - length, at)
  }
  for (let left = number(); left > 0; left--) {
    const name = text().toLowerCase()
    headers.set(name, text())
  }
  return headers
}

function invalid(problem: string): MeshError {
  return new MeshError('STREAM_PROTOCOL_INVALID', `SPDY: ${problem}`)
}
