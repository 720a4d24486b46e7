import type { HeaderField, HeaderList } from '../types.ts'
import { DEFAULT_TABLE_BYTES, DynamicTable, fieldBytes } from './dynamic-table.ts'
import { huffmanEncode, huffmanLength } from './huffman.ts'
import { STATIC_ENTRIES, STATIC_TABLE } from './static-table.ts'

/** Their values repeat so seldom that they would only drive useful entries out of the table. */
const SELDOM: ReadonlySet<string> = new Set([
  ':path',
  'age',
  'content-length',
  'content-range',
  'date',
  'etag',
  'expires',
  'forwarded',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'traceparent',
  'tracestate',
  'x-b3-parentspanid',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-request-id',
])

/** Secrets that a compression oracle could guess bit by bit were they in the table (RFC 7541 §7.1.3). */
const SECRET: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization'])
/** So short a cookie holds too little to guess at with effort; the same bound as other implementations use. */
const SHORT_COOKIE_BYTES = 20

/** A larger field than this part of the table would evict most of it. */
const LARGEST_SHARE = 0.75

/** Most octets that a field takes besides its strings: a first octet and two lengths, each up to 6 octets long. */
const FIELD_OVERHEAD_OCTETS = 18
const SIZE_UPDATE_OCTETS = 12

/** First octets of RFC 7541 §6. */
const INDEXED = 0x80
const WITH_INDEXING = 0x40
const SIZE_UPDATE = 0x20
const NEVER_INDEXED = 0x10
const WITHOUT_INDEXING = 0x00

/** `seldom`: only the name is worth an entry. `secret`: nothing is; of a cookie, only when it is short. */
type Habit = 'repeats' | 'seldom' | 'secret' | 'cookie'

/** Where a name is found: in the static table, and the newest entries of that name and of each of its values. */
interface KnownName {
  readonly habit: Habit
  /** Index in the static table; 0 = not there. */
  readonly staticIndex: number
  readonly staticValues: ReadonlyMap<string, number> | undefined
  /** Serial number in the dynamic table; -1 = not there. */
  newest: number
  readonly serials: Map<string, number>
}

/**
 * Writes header blocks (RFC 7541), one connection's and in their order. What it returns must go onto the wire in
 * the same order, as the peer's table follows every block.
 */
export class HpackEncoder {
  readonly #maxTableBytes: number
  readonly #table: DynamicTable
  readonly #names: Map<string, KnownName> = new Map()
  /** Smallest size since the last block; undefined when the size did not change. */
  #smallestBytes: number | undefined
  #target: Buffer = Buffer.allocUnsafeSlow(512)
  #at = 0

  /** @param maxTableBytes what this side is willing to keep, whatever the peer allows */
  constructor(maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes
    this.#table = new DynamicTable(DEFAULT_TABLE_BYTES, (field, serial) => this.#forget(field, serial))
    this.setPeerTableBytes(DEFAULT_TABLE_BYTES)
  }

  /** Entries and bytes of the dynamic table, for dumps and tests. */
  get tableEntries(): number {
    return this.#table.entries
  }

  get tableBytes(): number {
    return this.#table.sizeBytes
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. The next block begins with the size update that this asks for. */
  setPeerTableBytes(bytes: number): void {
    const sizeBytes = Math.min(bytes, this.#maxTableBytes)
    if (sizeBytes === this.#table.maxBytes) return
    this.#table.resize(sizeBytes)
    this.#smallestBytes = Math.min(this.#smallestBytes ?? sizeBytes, sizeBytes)
  }

  /**
   * Encodes one header block.
   *
   * @returns a view of the encoder's own buffer, good until the next call
   * @throws RangeError when a string holds a code unit above 0xff: strings are octets here, the caller's duty. The
   *   encoder stays usable.
   */
  encode(headers: HeaderList): Buffer {
    this.#reserve(headers)
    this.#at = 0
    this.#writeSizeUpdates()
    try {
      for (const field of headers) this.#writeField(field)
    } catch (error) {
      this.#startOver()
      throw error
    }
    return this.#target.subarray(0, this.#at)
  }

  #reserve(headers: HeaderList): void {
    let octets = SIZE_UPDATE_OCTETS
    for (const field of headers) octets += field[0].length + field[1].length + FIELD_OVERHEAD_OCTETS
    if (octets > this.#target.length) this.#target = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(octets)))
  }

  /** The peer never sees a block that failed: both tables begin again, empty. */
  #startOver(): void {
    const sizeBytes = this.#table.maxBytes
    this.#table.resize(0)
    this.#table.resize(sizeBytes)
    this.#smallestBytes = 0
  }

  /** RFC 7541 §4.2: the smallest size since the last block, then the size that holds now. */
  #writeSizeUpdates(): void {
    if (this.#smallestBytes === undefined) return
    if (this.#smallestBytes < this.#table.maxBytes) this.#writeInteger(this.#smallestBytes, 5, SIZE_UPDATE)
    this.#writeInteger(this.#table.maxBytes, 5, SIZE_UPDATE)
    this.#smallestBytes = undefined
  }

  #writeField(field: HeaderField): void {
    const [name, value, neverIndexed] = field
    const known = this.#names.get(name) ?? STATIC_NAMES.get(name)
    if (neverIndexed === true || (known !== undefined && isSecret(known.habit, value))) {
      this.#writeLiteral(field, known, 4, NEVER_INDEXED)
      return
    }
    // A value that seldom repeats is neither looked up nor kept; of an unknown name one entry is, for the name.
    const isSeldom = known?.habit === 'seldom'
    const index = known === undefined || isSeldom ? 0 : this.#indexOfField(known, value)
    if (index > 0) {
      this.#writeInteger(index, 7, INDEXED)
    } else if (isSeldom || fieldBytes(field) > this.#table.maxBytes * LARGEST_SHARE) {
      this.#writeLiteral(field, known, 4, WITHOUT_INDEXING)
    } else {
      this.#writeLiteral(field, known, 6, WITH_INDEXING)
      this.#remember(field)
    }
  }

  /** 0 when no table holds the field. */
  #indexOfField(known: KnownName, value: string): number {
    const serial = known.serials.get(value)
    return known.staticValues?.get(value) ?? (serial === undefined ? 0 : this.#indexOf(serial))
  }

  #writeLiteral(field: HeaderField, known: KnownName | undefined, prefixBits: number, first: number): void {
    const newest = known === undefined || known.newest < 0 ? 0 : this.#indexOf(known.newest)
    const nameIndex = known?.staticIndex || newest
    this.#writeInteger(nameIndex, prefixBits, first)
    if (nameIndex === 0) this.#writeString(field[0])
    this.#writeString(field[1])
  }

  #indexOf(serial: number): number {
    return STATIC_ENTRIES + 1 + this.#table.placeOf(serial)
  }

  #remember(field: HeaderField): void {
    const [name, value] = field
    const serial = this.#table.insert(field)
    let known = this.#names.get(name)
    if (known === undefined) {
      const fixed = STATIC_NAMES.get(name)
      const { staticIndex, staticValues } = fixed ?? { staticIndex: 0, staticValues: undefined }
      known = { habit: habitOf(name), staticIndex, staticValues, newest: serial, serials: new Map() }
      this.#names.set(name, known)
    }
    known.newest = serial
    known.serials.set(value, serial)
  }

  #forget([name, value]: HeaderField, serial: number): void {
    const known = this.#names.get(name)
    if (known === undefined) return
    if (known.serials.get(value) === serial) known.serials.delete(value)
    if (known.newest === serial) this.#names.delete(name)
  }

  /** RFC 7541 §5.1. */
  #writeInteger(integer: number, prefixBits: number, first: number): void {
    const mask = (1 << prefixBits) - 1
    if (integer < mask) {
      this.#target[this.#at++] = first | integer
      return
    }
    this.#target[this.#at++] = first | mask
    let rest = integer - mask
    for (; rest > 0x7f; rest >>>= 7) this.#target[this.#at++] = (rest & 0x7f) | 0x80
    this.#target[this.#at++] = rest
  }

  /** RFC 7541 §5.2: Huffman-coded where that is shorter. */
  #writeString(text: string): void {
    const coded = huffmanLength(text)
    if (coded < 0) throw new RangeError(`not octets: ${JSON.stringify(text.slice(0, 64))}`)
    if (coded < text.length) {
      this.#writeInteger(coded, 7, 0x80)
      this.#at = huffmanEncode(text, this.#target, this.#at)
      return
    }
    this.#writeInteger(text.length, 7, 0)
    for (let i = 0; i < text.length; i++) this.#target[this.#at++] = text.charCodeAt(i)
  }
}

const STATIC_NAMES: ReadonlyMap<string, KnownName> = staticNames()

function staticNames(): Map<string, KnownName> {
  const names = new Map<string, KnownName & { readonly staticValues: Map<string, number> }>()
  STATIC_TABLE.forEach(([name, value], place) => {
    const known = names.get(name) ?? {
      habit: habitOf(name),
      staticIndex: place + 1,
      staticValues: new Map<string, number>(),
      newest: -1,
      serials: new Map<string, number>(),
    }
    known.staticValues.set(value, place + 1)
    names.set(name, known)
  })
  return names
}

function habitOf(name: string): Habit {
  if (SECRET.has(name)) return 'secret'
  if (name === 'cookie') return 'cookie'
  return SELDOM.has(name) ? 'seldom' : 'repeats'
}

function isSecret(habit: Habit, value: string): boolean {
  return habit === 'secret' || (habit === 'cookie' && value.length < SHORT_COOKIE_BYTES)
}
