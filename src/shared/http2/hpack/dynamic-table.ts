import type { HeaderField } from '../types.ts'

/** What an entry counts beyond its octets (RFC 7541 §4.1; RFC 9113 §6.5.2 counts header lists the same way). */
export const ENTRY_OVERHEAD_BYTES = 32

/** Table size both ends start with (RFC 9113 §6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096

/** A field as tables and header-list limits count it. Strings hold one octet per code unit. */
export function fieldBytes(field: HeaderField): number {
  return field[0].length + field[1].length + ENTRY_OVERHEAD_BYTES
}

/**
 * Fields in order of their insertion, the oldest evicted first (RFC 7541 §2.3.2, §4). A ring, so that neither insertion
 * nor eviction moves entries; it never has more places than the size bound allows entries.
 */
export class DynamicTable {
  readonly #onEvict: ((field: HeaderField, serial: number) => void) | undefined
  #ring: (HeaderField | undefined)[] = new Array(8)
  /** Serial number of the next insertion, counted from 0; `#inserted - 1` is the newest entry. */
  #inserted = 0
  #entries = 0
  #sizeBytes = 0
  #maxBytes: number

  /** @param onEvict told of every entry that leaves, with its serial number */
  constructor(maxBytes: number, onEvict?: (field: HeaderField, serial: number) => void) {
    this.#maxBytes = maxBytes
    this.#onEvict = onEvict
  }

  get entries(): number {
    return this.#entries
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get maxBytes(): number {
    return this.#maxBytes
  }

  /** The entry at `place`, 0 being the newest; undefined beyond the oldest. */
  at(place: number): HeaderField | undefined {
    if (place >= this.#entries) return undefined
    return this.#ring[(this.#inserted - 1 - place) & (this.#ring.length - 1)]
  }

  /** Where the entry with this serial number stands now, 0 being the newest. */
  placeOf(serial: number): number {
    return this.#inserted - 1 - serial
  }

  /** Makes room and adds; a field larger than the whole table empties it (RFC 7541 §4.4). Returns its serial or -1. */
  insert(field: HeaderField): number {
    const bytes = fieldBytes(field)
    this.makeRoom(bytes)
    if (bytes > this.#maxBytes) return -1
    if (this.#entries === this.#ring.length) this.#grow()
    this.#ring[this.#inserted & (this.#ring.length - 1)] = field
    this.#entries++
    this.#sizeBytes += bytes
    return this.#inserted++
  }

  /** Evicts until `bytes` more fit, or nothing is left. */
  makeRoom(bytes: number): void {
    while (this.#entries > 0 && this.#sizeBytes + bytes > this.#maxBytes) this.#evictOldest()
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes
    this.makeRoom(0)
  }

  #evictOldest(): void {
    const serial = this.#inserted - this.#entries
    const slot = serial & (this.#ring.length - 1)
    const field = this.#ring[slot]!
    this.#ring[slot] = undefined
    this.#entries--
    this.#sizeBytes -= fieldBytes(field)
    this.#onEvict?.(field, serial)
  }

  #grow(): void {
    const ring: (HeaderField | undefined)[] = new Array(this.#ring.length * 2)
    for (let serial = this.#inserted - this.#entries; serial < this.#inserted; serial++) {
      ring[serial & (ring.length - 1)] = this.#ring[serial & (this.#ring.length - 1)]
    }
    this.#ring = ring
  }
}
