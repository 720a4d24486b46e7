import type { Principal } from '../authn/index.ts'
import type { RequestHead } from '../codec/index.ts'
import type { InnerConnection } from '../listen/index.ts'
import { queryValues } from './query.ts'
import type { SourceView } from './source.ts'
import type { Reader } from './text-matcher.ts'

/** What any rule asks for: each name has a place, at which the value of a request is kept. */
export interface AskedNames {
  readonly headerNames: readonly string[]
  readonly query: ReadonlyMap<string, number>
}

/** One request, as rules look at it: what costs something is worked out when the first rule asks. */
export class Subject implements Reader {
  readonly request: RequestHead
  readonly who: Principal
  readonly connection: InnerConnection
  readonly view: SourceView
  /** Without its query. */
  readonly path: string
  isOverlong: boolean = false
  readonly #asked: AskedNames
  #headerValues: (string | null | undefined)[] | undefined
  #queryValues: readonly (string | undefined)[] | undefined
  #pathInLowerCase: string | undefined

  constructor(request: RequestHead, who: Principal, connection: InnerConnection, view: SourceView, asked: AskedNames) {
    this.request = request
    this.who = who
    this.connection = connection
    this.view = view
    this.path = pathOf(request.target)
    this.#asked = asked
  }

  get pathInLowerCase(): string {
    this.#pathInLowerCase ??= lowerAscii(this.path)
    return this.#pathInLowerCase
  }

  /** The first value of a parameter; undefined when it is not there. */
  parameter(place: number): string | undefined {
    this.#queryValues ??= queryValues(this.request.target, this.#asked.query)
    return this.#queryValues[place]
  }

  /** All values of a header as one; null when it is not there. */
  header(place: number): string | null {
    this.#headerValues ??= []
    let value = this.#headerValues[place]
    if (value === undefined) {
      value = this.#readHeader(this.#asked.headerNames[place] ?? '')
      this.#headerValues[place] = value
    }
    return value
  }

  #readHeader(name: string): string | null {
    const { fields } = this.request
    const first = fields.get(name)
    if (first === undefined) return null
    const values = fields.values(name)
    return values.length === 1 ? first : values.join(name === 'cookie' ? '; ' : ',')
  }
}

export function pathOf(target: string): string {
  const question = target.indexOf('?')
  return question === -1 ? target : target.slice(0, question)
}

/** Letters of ASCII only: other octets are parts of characters, which `toLowerCase` would change. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
