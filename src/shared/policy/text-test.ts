import { RE2JS } from 're2js'
import type { PolicyPathMatch } from '#shared/l7'
import { pathTemplate } from './path-template.ts'

export type TextTest = (text: string) => boolean

/**
 * Whether any of the alternatives holds; undefined when there are none.
 *
 * @param ifUnreadable what an expression that cannot be read says; our control plane sends none
 */
export function anyText(matches: readonly PolicyPathMatch[], ifUnreadable: boolean): TextTest | undefined {
  const exact = exactTexts(matches)
  const others = matches.flatMap((match) => (match.kind === 'exact' ? [] : [testOf(match, ifUnreadable)]))
  const [only] = exact
  const [single] = others
  if (only === undefined) return others.length > 1 ? (text) => holdsAny(others, text) : single
  if (others.length === 0 && exact.length === 1) return (text) => text === only
  const texts: ReadonlySet<string> = new Set(exact)
  return (text) => texts.has(text) || holdsAny(others, text)
}

/** Those alternatives that stand for one text each. */
export function exactTexts(matches: readonly PolicyPathMatch[]): readonly string[] {
  return matches.flatMap((match) => (match.kind === 'exact' ? [match.value] : []))
}

function holdsAny(tests: readonly TextTest[], text: string): boolean {
  for (const test of tests) if (test(text)) return true
  return false
}

function testOf(match: PolicyPathMatch, ifUnreadable: boolean): TextTest {
  switch (match.kind) {
    case 'presence':
      return (text) => text !== ''
    case 'exact':
      return (text) => text === match.value
    case 'prefix':
      return (text) => text.startsWith(match.value)
    case 'suffix':
      return (text) => text.endsWith(match.value)
    case 'regex':
      return regexTest(match.value) ?? (() => ifUnreadable)
    case 'template':
      return pathTemplate(match.value)
  }
}

function regexTest(pattern: string): TextTest | undefined {
  try {
    const expression = RE2JS.compile(pattern)
    return (text) => expression.matches(text)
  } catch {
    return undefined
  }
}
