import { RE2JS } from 're2js'
import { literalsOf } from './literals.ts'
import { isAscii, octets } from './octets.ts'

/**
 * The longest text that an expression reads. RE2 is linear, but many rules with expressions times a header block of the
 * greatest size would still cost tens of milliseconds.
 */
export const LONGEST_TEXT = 8_192

/** A regular expression of RE2, compiled when a text first has the literal parts that it needs. */
export class Expression {
  readonly #source: string
  readonly #flags: number
  /** What every text that matches begins with. */
  readonly beginning: string
  readonly #inside: string
  #compiled: RE2JS | undefined

  constructor(source: string, ignoresCase: boolean = false) {
    const literals = ignoresCase ? undefined : literalsOf(source)
    this.#source = source
    this.#flags = ignoresCase ? RE2JS.CASE_INSENSITIVE : 0
    this.beginning = octets(literals?.beginning ?? '')
    this.#inside = octets(literals?.inside ?? '')
  }

  /** Whether a text may match, and so has to be read; without reading it. */
  mayMatch(text: string): boolean {
    return text.startsWith(this.beginning) && text.includes(this.#inside)
  }

  /** Whether all of the text matches; it is one code unit per octet, and at most `LONGEST_TEXT` long. */
  matches(text: string): boolean {
    this.#compiled ??= RE2JS.compile(this.#source, this.#flags)
    return this.#compiled.testExact(isAscii(text) ? text : decoded(text))
  }
}

/** Expressions are about characters: text that is UTF-8 is read as such. */
function decoded(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8')
}
