/** Texts without which nothing matches an expression. Empty = nothing is known. */
export interface Literals {
  /** Every text that matches begins with it. */
  readonly beginning: string
  /** Every text that matches holds it. */
  readonly inside: string
}

const NONE: Literals = { beginning: '', inside: '' }

/**
 * What can be told of an expression of RE2 by reading it once: its literal parts outside of all brackets. Rather too little
 * than too much: of anything that is not plainly literal nothing is said.
 */
export function literalsOf(source: string): Literals {
  if (LONG_ESCAPE.test(source) || FLAGS.test(source)) return NONE
  let beginning: string | undefined
  let inside = ''
  let run = ''
  const endRun = (): void => {
    beginning ??= run
    if (run.length > inside.length) inside = run
    run = ''
  }
  for (let i = source.startsWith('^') ? 1 : 0; i < source.length; ) {
    if (source[i] === '|') return NONE
    const atom = atomAt(source, i)
    i += atom.length
    // What follows may say that the atom need not be there, or is there several times.
    const isOnce = !QUANTIFIERS.has(source[i] ?? '')
    if (atom.literal !== undefined && isOnce) run += atom.literal
    else endRun()
  }
  endRun()
  return { beginning: beginning ?? '', inside }
}

/** Of more than two characters, as `\x41`, `\p{Greek}` and `\Q…\E`: all but those that are known to have two. */
const LONG_ESCAPE = /\\[^dDwWsSbBAzCafnrtv\W_]/
/** They change what letters mean. Groups without them are `(…)`, `(?:…)`, `(?P<name>…)` and `(?<name>…)`. */
const FLAGS = /\(\?(?!:|P<|<[A-Za-z_])/
const QUANTIFIERS: ReadonlySet<string> = new Set(['*', '?', '{', '+'])
const META = /[\\^$.|?*+()[\]{}]/
const PUNCTUATION = /[!-/:-@[-`{-~]/
/** `{2,3}`; a brace that does not begin one is a character. */
const REPETITION = /^\{\d+(?:,\d*)?\}/
/** RE2 allows a thousand. */
const LONGEST_REPETITION = '{1000,1000}'.length

interface Atom {
  readonly length: number
  /** Undefined = more than one text, or none. */
  readonly literal: string | undefined
}

function atomAt(source: string, at: number): Atom {
  const char = source[at] ?? ''
  if (char === '\\') {
    const escaped = source[at + 1] ?? ''
    return { length: 2, literal: PUNCTUATION.test(escaped) ? escaped : undefined }
  }
  if (char === '[') return { length: classEnd(source, at) - at, literal: undefined }
  if (char === '(') return { length: groupEnd(source, at) - at, literal: undefined }
  if (char === '{')
    return { length: REPETITION.exec(source.slice(at, at + LONGEST_REPETITION))?.[0].length ?? 1, literal: undefined }
  // Half of a pair is no character; whole pairs are rare enough to be left out.
  return { length: 1, literal: META.test(char) || char > '\ud7ff' ? undefined : char }
}

/** Behind the class that begins at `at`. */
function classEnd(source: string, at: number): number {
  let i = at + 1
  if (source[i] === '^') i++
  // Here it is a member.
  if (source[i] === ']') i++
  while (i < source.length && source[i] !== ']') {
    const named = source.startsWith('[:', i) ? source.indexOf(':]', i) : -1
    if (named !== -1) i = named + 2
    else i += source[i] === '\\' ? 2 : 1
  }
  return i + 1
}

/** Behind the group that begins at `at`, with all that is in it. */
function groupEnd(source: string, at: number): number {
  let depth = 0
  for (let i = at; i < source.length; ) {
    const char = source[i]
    if (char === '(') depth++
    if (char === ')' && --depth === 0) return i + 1
    i = char === '[' ? classEnd(source, i) : i + (char === '\\' ? 2 : 1)
  }
  return source.length
}
