import type { TextMatch } from '#shared/l7'
import { Expression, LONGEST_TEXT } from './expression.ts'
import { octets } from './octets.ts'

/** Somebody who is told that a text was too long to be read. */
export interface Reader {
  isOverlong: boolean
}

/** A `TextMatch` that has been made ready. */
export type TextMatcher =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'regex'; readonly expression: Expression }
  | { readonly kind: 'presence' }

export function compileText(match: TextMatch, ignoresCase: boolean = false): TextMatcher {
  if (match.kind === 'presence') return match
  if (match.kind === 'regex') return { kind: 'regex', expression: new Expression(match.value, ignoresCase) }
  const value = octets(match.value)
  // The texts that are compared without case come in lower case.
  return { kind: match.kind, value: ignoresCase ? value.toLowerCase() : value }
}

/** Whether a text holds; one that an expression may not read does not, and the reader is told. */
export function textHolds(matcher: TextMatcher, text: string, reader: Reader): boolean {
  switch (matcher.kind) {
    case 'exact':
      return text === matcher.value
    case 'prefix':
      return text.startsWith(matcher.value)
    case 'suffix':
      return text.endsWith(matcher.value)
    case 'regex':
      return expressionHolds(matcher.expression, text, reader)
    case 'presence':
      return text !== ''
  }
}

export function expressionHolds(expression: Expression, text: string, reader: Reader): boolean {
  if (!expression.mayMatch(text)) return false
  if (text.length <= LONGEST_TEXT) return expression.matches(text)
  reader.isOverlong = true
  return false
}
