import type { RE2JS } from 're2js'

/** Texts, and numbers of groups. */
export type Substitution = readonly (string | number)[]

/** `\0` is all that matches, `\1` to `\9` a group, `\\` a backslash; a backslash before anything else is one, too. */
export function parseSubstitution(text: string): Substitution {
  const parts: (string | number)[] = []
  for (const [part] of text.matchAll(/\\[0-9\\]|[^\\]+|\\/g)) {
    if (part.length === 2 && part[0] === '\\') parts.push(part[1] === '\\' ? '\\' : Number(part[1]))
    else parts.push(part)
  }
  return parts
}

/**
 * Replaces all that matches.
 *
 * @returns undefined when the result is longer than `longest`
 */
export function substitute(expression: RE2JS, text: string, by: Substitution, longest: number): string | undefined {
  const matcher = expression.matcher(text)
  let written = ''
  let done = 0
  while (matcher.find()) {
    written += text.slice(done, matcher.start())
    for (const part of by) written += typeof part === 'string' ? part : groupOf(matcher, part)
    done = matcher.end()
    if (written.length > longest) return undefined
  }
  written += text.slice(done)
  return written.length > longest ? undefined : written
}

/** One that is not there, or took no part, is empty. */
function groupOf(matcher: ReturnType<RE2JS['matcher']>, number: number): string {
  return number > matcher.groupCount() ? '' : (matcher.group(number) ?? '')
}
