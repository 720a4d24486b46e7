import type { HeaderField, HeaderList } from '#shared/http2'
import type { Fields } from '../types.ts'

/**
 * Fields over the list that the engine reads and writes: the pairs of a message that is passed on are those that came,
 * marks of secrets among them. Copies share the list until one of them is changed.
 */
export class ListFields implements Fields {
  #list: HeaderField[]
  #isShared: boolean

  constructor(list: HeaderField[] = [], isShared = false) {
    this.#list = list
    this.#isShared = isShared
  }

  get(name: string): string | undefined {
    for (const field of this.#list) if (field[0] === name) return field[1]
    return undefined
  }

  values(name: string): readonly string[] {
    const values: string[] = []
    for (const field of this.#list) if (field[0] === name) values.push(field[1])
    return values
  }

  has(name: string): boolean {
    for (const field of this.#list) if (field[0] === name) return true
    return false
  }

  set(name: string, value: string): void {
    const list = this.#owned()
    const first = list.findIndex((field) => field[0] === name)
    if (first < 0) {
      list.push([name, value])
      return
    }
    const isSecret = list[first]?.[2] === true
    list[first] = isSecret ? [name, value, true] : [name, value]
    let end = first + 1
    for (let at = end; at < list.length; at++) {
      const field = list[at] as HeaderField
      if (field[0] !== name) list[end++] = field
    }
    list.length = end
  }

  add(name: string, value: string): void {
    this.#owned().push([name, value])
  }

  remove(name: string): void {
    if (this.has(name)) this.#list = this.#list.filter((field) => field[0] !== name)
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const field of this.#list) visit(field[0], field[1])
  }

  copy(): Fields {
    this.#isShared = true
    return new ListFields(this.#list, true)
  }

  /** The pairs themselves, for the engine. */
  appendTo(list: HeaderField[]): void {
    for (const field of this.#list) if (isOfMessage(field[0])) list.push(field)
  }

  #owned(): HeaderField[] {
    if (this.#isShared) {
      this.#list = [...this.#list]
      this.#isShared = false
    }
    return this.#list
  }
}

/** Adds the fields of a message of any codec, without those that only concern one hop. */
export function appendFields(list: HeaderField[], fields: Fields): void {
  if (fields instanceof ListFields) fields.appendTo(list)
  else fields.forEach((name, value) => void (isOfMessage(name) && list.push([name, value])))
}

/**
 * The fields behind the pseudo-headers, or of trailers. Length and host are the head's own; the crumbs of a cookie become
 * one field again, as readers of HTTP/1 and policies know it (RFC 9113 §8.2.3).
 */
export function readFields(headers: HeaderList): ListFields {
  const list: HeaderField[] = []
  let cookieAt = -1
  for (const field of headers) {
    const name = field[0]
    if (name.charCodeAt(0) === COLON || !isOfMessage(name)) continue
    if (name !== 'cookie') list.push(field)
    else if (cookieAt < 0) cookieAt = list.push(field) - 1
    else list[cookieAt] = joined(list[cookieAt] as HeaderField, field)
  }
  return new ListFields(list)
}

/** Trailers, without what could change how a message is read that is complete already (RFC 9110 §6.5.1). */
export function readTrailers(headers: HeaderList): ListFields {
  return new ListFields(headers.filter(([name]) => isOfMessage(name) && !NEVER_IN_TRAILERS.has(name)))
}

export function writeTrailers(fields: Fields): HeaderList {
  const list: HeaderField[] = []
  appendFields(list, fields)
  return list.filter(([name]) => !NEVER_IN_TRAILERS.has(name))
}

const COLON = 58

const NEVER_IN_TRAILERS: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'max-forwards',
  'range',
  'set-cookie',
  'trailer',
])

/** Not what codecs write themselves, of either protocol: it must not come in by the way of a filter either. */
function isOfMessage(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'content-length':
    case 'host':
    case 'http2-settings':
    case 'keep-alive':
    case 'proxy-connection':
    case 'te':
    case 'transfer-encoding':
    case 'upgrade':
      return false
    default:
      return true
  }
}

function joined(first: HeaderField, second: HeaderField): HeaderField {
  const value = `${first[1]}; ${second[1]}`
  return first[2] === true || second[2] === true ? ['cookie', value, true] : ['cookie', value]
}
