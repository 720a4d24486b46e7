import { RE2JS } from 're2js'
import type { PathMatch, PathRewrite } from '#shared/l7'
import { LONGEST_TEXT, octets, pathOf } from '../route/index.ts'
import { parseSubstitution, type Substitution, substitute } from './substitution.ts'

/**
 * The target with its path as the rule wants it; the query stays, unless the new path has one.
 *
 * @param matched what the path was held against
 * @returns undefined when an expression would read or write too long a path
 */
export function rewriteTarget(
  target: string,
  matched: PathMatch | undefined,
  rewrite: PathRewrite,
): string | undefined {
  if (!target.startsWith('/')) return target
  const path = pathOf(target)
  const wanted = rewrittenPath(path, matched, rewrite)
  if (wanted === undefined) return undefined
  const written = wanted.includes('?') ? wanted : wanted + target.slice(path.length)
  return withoutDotSegments(written.startsWith('/') ? written : `/${written}`)
}

function rewrittenPath(path: string, matched: PathMatch | undefined, rewrite: PathRewrite): string | undefined {
  switch (rewrite.kind) {
    case 'full':
      return pathText(rewrite.value)
    case 'matched':
      return matchedReplaced(path, matched, pathText(rewrite.value))
    case 'regex':
      return expressionReplaced(path, rewrite)
  }
}

/**
 * Whole segments are replaced by whole segments, whatever slashes stand at their ends; prefixes character by character, as
 * they are matched.
 */
function matchedReplaced(path: string, matched: PathMatch | undefined, value: string): string {
  switch (matched?.kind) {
    case 'segments': {
      const covered = octets(matched.value).replace(/\/$/, '').length
      return value.replace(/\/$/, '') + path.slice(covered) || '/'
    }
    case 'prefix':
      return value + path.slice(octets(matched.value).length)
    case 'exact':
    case 'regex':
      return value
    case undefined:
      return value + path.slice(1)
  }
}

interface Replacement {
  readonly expression: RE2JS
  readonly substitution: Substitution
}

type RegexRewrite = Extract<PathRewrite, { kind: 'regex' }>

const replacements = new WeakMap<RegexRewrite, Replacement>()

function replacementOf(rewrite: RegexRewrite): Replacement {
  const known = replacements.get(rewrite)
  if (known !== undefined) return known
  const made = {
    expression: RE2JS.compile(rewrite.pattern),
    substitution: parseSubstitution(rewrite.substitution),
  }
  replacements.set(rewrite, made)
  return made
}

function expressionReplaced(path: string, rewrite: RegexRewrite): string | undefined {
  if (path.length > LONGEST_TEXT) return undefined
  const { expression, substitution } = replacementOf(rewrite)
  const text = Buffer.from(path, 'latin1').toString('utf8')
  const written = substitute(expression, text, substitution, LONGEST_TEXT)
  return written === undefined ? undefined : pathText(written)
}

/** What may not stand in a target is written with percent signs, so that no rule can break a request's first line. */
function pathText(text: string): string {
  return octets(text).replace(
    /[^\x21-\x7e]|#/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}

/**
 * `/img` that becomes `/files/` makes `/files/../keys` of `/img../keys`, which had no dot segment when it was looked at.
 */
function withoutDotSegments(target: string): string {
  if (!target.includes('/.')) return target
  const path = pathOf(target)
  const segments = path.split('/')
  const kept: string[] = []
  for (const [i, segment] of segments.entries()) {
    const isLast = i === segments.length - 1
    if (segment === '..') {
      if (kept.length > 1) kept.pop()
    } else if (segment !== '.') {
      kept.push(segment)
      continue
    }
    if (isLast) kept.push('')
  }
  return kept.join('/') + target.slice(path.length)
}
