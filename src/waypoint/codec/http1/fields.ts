import { fieldValue } from '../field-value.ts'
import { ListFields } from '../http2/list-fields.ts'
import type { Fields } from '../types.ts'
import { idOfName, isHopId, mayBeTrailer, nameOf } from './field-names.ts'
import { CR, SP, TOKEN } from './octets.ts'
import { type HeadScan, LINE_NUMBERS } from './scan-head.ts'

/**
 * Fields over the octets of a head: nothing is decoded before somebody asks, and what nobody touches is copied to the next
 * hop as it came, in runs of lines. Changes lie beside it.
 */
export class OctetFields implements Fields {
  /** The lines that came, without those of one hop. */
  readonly #bytes: Buffer
  readonly #lines: Int32Array
  /** 1 = the line of that number is gone. */
  #gone: Uint8Array | undefined
  /** Values of lines that were set, by line. */
  #replaced: Map<number, string> | undefined
  #added: (readonly [name: string, value: string])[] | undefined

  /**
   * Copies the part of `bytes` that the scan speaks of, as the buffer is another read's soon.
   *
   * @param kind trailers keep only what may be one
   */
  constructor(scan: HeadScan, bytes: Buffer, kind: 'head' | 'trailers') {
    const { lines, lineCount, hopNames } = scan
    const first = lineCount === 0 ? 0 : (lines[0] as number)
    const last = lineCount === 0 ? 0 : (lines[lineCount * LINE_NUMBERS - 2] as number)
    // With the CR behind the last value, so that canonical lines can be told.
    this.#bytes = lineCount === 0 ? NOTHING : Buffer.from(bytes.subarray(first, last + 2))
    const kept = new Int32Array(lineCount * LINE_NUMBERS)
    let count = 0
    for (let at = 0; at < lineCount * LINE_NUMBERS; at += LINE_NUMBERS) {
      const id = lines[at + 4] as number
      if (isHopId(id)) continue
      if (hopNames !== undefined || kind === 'trailers') {
        const name = id === 0 ? bytes.toString('latin1', lines[at], lines[at + 1]).toLowerCase() : nameOf(id)
        if (hopNames?.includes(name) || (kind === 'trailers' && !mayBeTrailer(name))) continue
      }
      for (let number = 0; number < 4; number++) kept[count + number] = (lines[at + number] as number) - first
      kept[count + 4] = id
      count += LINE_NUMBERS
    }
    this.#lines = count === kept.length ? kept : kept.subarray(0, count)
  }

  get(name: string): string | undefined {
    const line = this.#find(name, idOfName(name), 0)
    if (line >= 0) return this.#valueAt(line)
    return this.#added?.find(([other]) => other === name)?.[1]
  }

  values(name: string): readonly string[] {
    const found: string[] = []
    const id = idOfName(name)
    for (let line = this.#find(name, id, 0); line >= 0; line = this.#find(name, id, line + LINE_NUMBERS)) {
      found.push(this.#valueAt(line))
    }
    for (const [other, value] of this.#added ?? []) if (other === name) found.push(value)
    return found
  }

  has(name: string): boolean {
    return this.#find(name, idOfName(name), 0) >= 0 || this.#added?.some(([other]) => other === name) === true
  }

  set(name: string, value: string): void {
    const line = this.#find(name, idOfName(name), 0)
    const place = line < 0 ? (this.#added?.findIndex(([other]) => other === name) ?? -1) : -1
    if (line < 0 && place < 0) {
      this.add(name, value)
      return
    }
    this.#removeFrom(name, line < 0 ? this.#lines.length : line + LINE_NUMBERS, place + 1)
    if (line < 0) this.#added?.splice(place, 1, [name, value])
    else {
      this.#replaced ??= new Map()
      this.#replaced.set(line, value)
    }
  }

  add(name: string, value: string): void {
    this.#added ??= []
    this.#added.push([name, value])
  }

  remove(name: string): void {
    this.#removeFrom(name, 0, 0)
  }

  #removeFrom(name: string, firstLine: number, firstAdded: number): void {
    const id = idOfName(name)
    for (let line = this.#find(name, id, firstLine); line >= 0; line = this.#find(name, id, line + LINE_NUMBERS)) {
      this.#gone ??= new Uint8Array(this.#lines.length / LINE_NUMBERS)
      this.#gone[line / LINE_NUMBERS] = 1
    }
    const added = this.#added
    if (added === undefined) return
    for (let at = added.length - 1; at >= firstAdded; at--) if (added[at]?.[0] === name) added.splice(at, 1)
  }

  forEach(visit: (name: string, value: string) => void): void {
    const lines = this.#lines
    for (let line = 0; line < lines.length; line += LINE_NUMBERS) {
      if (this.#gone?.[line / LINE_NUMBERS] !== 1) visit(this.#nameAt(line), this.#valueAt(line))
    }
    for (const [name, value] of this.#added ?? []) visit(name, value)
  }

  copy(): Fields {
    const copied: [string, string][] = []
    this.forEach((name, value) => {
      copied.push([name, value])
    })
    return new ListFields(copied)
  }

  /** The most octets that `writeTo` may need. */
  get mostBytes(): number {
    let bytes = this.#bytes.length + (this.#lines.length / LINE_NUMBERS) * 4
    for (const value of this.#replaced?.values() ?? []) bytes += MOST_OCTETS * value.length
    for (const [name, value] of this.#added ?? []) bytes += name.length + MOST_OCTETS * value.length + 4
    return bytes
  }

  /** Writes `name: value CRLF` for each. @returns where it ends */
  writeTo(out: Buffer, from: number): number {
    const bytes = this.#bytes
    const lines = this.#lines
    let to = from
    let runStart = 0
    let runEnd = 0
    for (let line = 0; line < lines.length; line += LINE_NUMBERS) {
      if (this.#gone?.[line / LINE_NUMBERS] === 1) continue
      const start = lines[line] as number
      const nameEnd = lines[line + 1] as number
      const valueStart = lines[line + 2] as number
      const valueEnd = lines[line + 3] as number
      const replaced = this.#replaced?.get(line)
      const isCanonical =
        replaced === undefined && valueStart === nameEnd + 2 && bytes[nameEnd + 1] === SP && bytes[valueEnd] === CR
      if (isCanonical && runEnd === start) {
        runEnd = valueEnd + 2
        continue
      }
      to += bytes.copy(out, to, runStart, runEnd)
      if (isCanonical) {
        runStart = start
        runEnd = valueEnd + 2
        continue
      }
      runStart = 0
      runEnd = 0
      if (replaced !== undefined) {
        to = writeLine(out, to, this.#nameAt(line), replaced)
        continue
      }
      to += bytes.copy(out, to, start, nameEnd)
      to += out.write(': ', to, 'latin1')
      to += bytes.copy(out, to, valueStart, valueEnd)
      to += out.write('\r\n', to, 'latin1')
    }
    to += bytes.copy(out, to, runStart, runEnd)
    for (const [name, value] of this.#added ?? []) to = writeOwnLine(out, to, name, value)
    return to
  }

  #nameAt(line: number): string {
    const id = this.#lines[line + 4] as number
    return id === 0
      ? this.#bytes.toString('latin1', this.#lines[line], this.#lines[line + 1]).toLowerCase()
      : nameOf(id)
  }

  #valueAt(line: number): string {
    return this.#replaced?.get(line) ?? this.#bytes.toString('latin1', this.#lines[line + 2], this.#lines[line + 3])
  }

  /** From that line on; -1 = none. */
  #find(name: string, id: number, from: number): number {
    const lines = this.#lines
    for (let line = from; line < lines.length; line += LINE_NUMBERS) {
      if (lines[line + 4] !== id || this.#gone?.[line / LINE_NUMBERS] === 1) continue
      if (id !== 0 || this.#isNamed(line, name)) return line
    }
    return -1
  }

  #isNamed(line: number, name: string): boolean {
    const start = this.#lines[line] as number
    if ((this.#lines[line + 1] as number) - start !== name.length) return false
    for (let at = 0; at < name.length; at++) {
      if (TOKEN[this.#bytes[start + at] as number] !== name.charCodeAt(at)) return false
    }
    return true
  }
}

const NOTHING = Buffer.alloc(0)
/** Of a code unit of a value: text beyond Latin-1 goes out as UTF-8. */
export const MOST_OCTETS = 3

/** A line of somebody who does not know this hop: framing, host and connection are the codec's to say. */
export function writeOwnLine(out: Buffer, from: number, name: string, value: string): number {
  return isHopId(idOfName(name)) ? from : writeLine(out, from, name, value)
}

export function writeLine(out: Buffer, from: number, name: string, value: string): number {
  return from + out.write(`${name}: ${fieldValue(value)}\r\n`, from, 'latin1')
}
