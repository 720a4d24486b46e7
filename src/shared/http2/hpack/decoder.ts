import type { HeaderField } from '../types.ts'
import { DEFAULT_TABLE_BYTES, DynamicTable, ENTRY_OVERHEAD_BYTES, fieldBytes } from './dynamic-table.ts'
import { HpackError } from './hpack-error.ts'
import { huffmanDecode } from './huffman.ts'
import { STATIC_ENTRIES, STATIC_TABLE } from './static-table.ts'

export interface HpackDecoderLimits {
  /** SETTINGS_HEADER_TABLE_SIZE that we announce, bytes. */
  readonly maxTableBytes: number
  /** Decoded bytes of one block: each field counts its octets and 32 (RFC 9113 §6.5.2). */
  readonly maxListBytes: number
  /** Decoded fields of one block. */
  readonly maxFields: number
}

/** Octets an integer may take behind its prefix; enough for 31 bits (RFC 7541 §5.1 asks for such a bound). */
const MAX_INTEGER_OCTETS = 5
const MAX_INTEGER = 2 ** 31 - 1
/** A sender that changed the size several times signals the smallest and the last (RFC 7541 §4.2). */
const MAX_SIZE_UPDATES = 2
/** These bound the decoded length of a coded string from both sides (RFC 7541 §5.2, Appendix B). */
const LONGEST_CODE_BITS = 30
const SHORTEST_CODE_BITS = 5
const MAX_PADDING_BITS = 7

const NO_BYTES = Buffer.alloc(0)

/**
 * Reads header blocks (RFC 7541), one connection's and in their order.
 *
 * What a block may cost is counted before a string is made. A block over a limit is still read to its end, without
 * keeping fields, because the dynamic table has to follow it.
 */
export class HpackDecoder {
  readonly #limits: HpackDecoderLimits
  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES)
  /** Largest size an update may choose. Until our SETTINGS are acknowledged the peer may still use the default. */
  #sizeLimit: number

  #block: Buffer = NO_BYTES
  #at = 0
  #end = 0
  #fields: HeaderField[] = []
  #listBytes = 0
  /** Why the block is over a limit; fields are not collected any more. */
  #excess: string | undefined

  constructor(limits: HpackDecoderLimits) {
    this.#limits = limits
    this.#sizeLimit = Math.max(limits.maxTableBytes, DEFAULT_TABLE_BYTES)
  }

  /** The peer has acknowledged our SETTINGS: from its next block on, the announced table size binds it. */
  settingsAcknowledged(): void {
    this.#sizeLimit = this.#limits.maxTableBytes
  }

  /** Entries and bytes of the dynamic table, for dumps and tests. */
  get tableEntries(): number {
    return this.#table.entries
  }

  get tableBytes(): number {
    return this.#table.sizeBytes
  }

  /**
   * Decodes the complete block `block[start, end)`.
   *
   * @throws HpackError `compression`: the decoder must not be used again; `limit`: it may be
   */
  decode(block: Uint8Array, start: number, end: number): HeaderField[] {
    this.#block = Buffer.isBuffer(block) ? block : Buffer.from(block.buffer, block.byteOffset, block.byteLength)
    this.#at = start
    this.#end = end
    this.#fields = []
    this.#listBytes = 0
    this.#excess = undefined
    try {
      this.#readSizeUpdates()
      while (this.#at < this.#end) this.#readField()
      if (this.#excess !== undefined) throw new HpackError('limit', this.#excess)
      return this.#fields
    } finally {
      this.#block = NO_BYTES
      this.#fields = []
    }
  }

  /** RFC 7541 §6.3; they stand only before the first field (§4.2). */
  #readSizeUpdates(): void {
    let updates = 0
    while (this.#at < this.#end && (this.#block[this.#at]! & 0xe0) === 0x20) {
      const bytes = this.#readInteger(5)
      if (bytes > this.#sizeLimit) throw malformed(`table size ${bytes} is above the announced ${this.#sizeLimit}`)
      if (++updates > MAX_SIZE_UPDATES) throw malformed('more than two table size updates')
      this.#table.resize(bytes)
    }
    if (this.#table.maxBytes > this.#sizeLimit) throw malformed('a lowered table size was not confirmed')
  }

  /** RFC 7541 §6: the first bits tell the kind. */
  #readField(): void {
    const first = this.#block[this.#at]!
    if (first >= 0x80) this.#collect(this.#fieldAt(this.#readInteger(7)))
    else if (first >= 0x40) this.#readLiteral(6, true, false)
    else if (first < 0x20) this.#readLiteral(4, false, first >= 0x10)
    else throw malformed('table size update behind a field')
  }

  /** RFC 7541 §6.2. */
  #readLiteral(prefixBits: number, isIndexed: boolean, isNeverIndexed: boolean): void {
    const nameIndex = this.#readInteger(prefixBits)
    const listRoom = this.#excess === undefined ? this.#limits.maxListBytes - this.#listBytes : 0
    const tableRoom = isIndexed ? this.#table.maxBytes : 0
    const longest = Math.max(listRoom, tableRoom) - ENTRY_OVERHEAD_BYTES
    const name = nameIndex === 0 ? this.#readString(longest) : this.#fieldAt(nameIndex)[0]
    const value = this.#readString(longest)
    if (name === undefined || value === undefined) {
      // Longer than the list may hold, and than the table can: inserting it would have emptied the table.
      this.#exceed(`header list above ${this.#limits.maxListBytes} bytes`)
      if (isIndexed) this.#table.makeRoom(Number.POSITIVE_INFINITY)
      return
    }
    const field: HeaderField = isNeverIndexed ? [name, value, true] : [name, value]
    if (isIndexed) this.#table.insert(field)
    this.#collect(field)
  }

  #collect(field: HeaderField): void {
    if (this.#excess !== undefined) return
    this.#listBytes += fieldBytes(field)
    if (this.#listBytes > this.#limits.maxListBytes)
      this.#exceed(`header list above ${this.#limits.maxListBytes} bytes`)
    else if (this.#fields.length >= this.#limits.maxFields) this.#exceed(`more than ${this.#limits.maxFields} fields`)
    else this.#fields.push(field)
  }

  #exceed(reason: string): void {
    this.#excess ??= reason
    this.#fields = []
  }

  /** RFC 7541 §2.3.3. */
  #fieldAt(index: number): HeaderField {
    const field = index <= STATIC_ENTRIES ? STATIC_TABLE[index - 1] : this.#table.at(index - STATIC_ENTRIES - 1)
    if (field === undefined) throw malformed(`no table entry ${index}`)
    return field
  }

  /** RFC 7541 §5.1; `prefixBits` of the octet at hand belong to the integer. */
  #readInteger(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = this.#block[this.#at++]! & mask
    if (value < mask) return value
    for (let octet = 0; octet < MAX_INTEGER_OCTETS; octet++) {
      if (this.#at >= this.#end) throw malformed('an integer is cut off')
      const byte = this.#block[this.#at++]!
      value += (byte & 0x7f) * 2 ** (7 * octet)
      if (value > MAX_INTEGER) throw malformed('an integer is too large')
      if (byte < 0x80) return value
    }
    throw malformed('an integer is too long')
  }

  /** RFC 7541 §5.2. Undefined when longer than `longest` bytes: then it was stepped over, not read. */
  #readString(longest: number): string | undefined {
    if (this.#at >= this.#end) throw malformed('a string is missing')
    const isHuffman = this.#block[this.#at]! >= 0x80
    const length = this.#readInteger(7)
    const start = this.#at
    const end = start + length
    if (end > this.#end) throw malformed('a string is cut off')
    this.#at = end
    if (!isHuffman) return length > longest ? undefined : this.#block.toString('latin1', start, end)
    if ((length * 8 - MAX_PADDING_BITS) / LONGEST_CODE_BITS > longest) return undefined
    growScratch(Math.min(longest, Math.ceil((length * 8) / SHORTEST_CODE_BITS)))
    const decoded = huffmanDecode(this.#block, start, end, scratch)
    if (decoded < 0) throw malformed('a Huffman string is malformed')
    return decoded > longest ? undefined : scratch.toString('latin1', 0, decoded)
  }
}

/** Where Huffman strings are decoded to; of all decoders, as nothing waits in it. As large as the largest limit. */
let scratch: Buffer = Buffer.allocUnsafeSlow(1024)

function growScratch(bytes: number): void {
  if (scratch.length < bytes) scratch = Buffer.allocUnsafeSlow(bytes)
}

function malformed(reason: string): HpackError {
  return new HpackError('compression', reason)
}
