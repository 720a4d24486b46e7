import type { HttpMatch, NamedMatch, SourceMatch } from '#shared/l7'
import { claimTexts } from './claims.ts'
import { octets } from './octets.ts'
import { sourceHolds } from './source.ts'
import type { Subject } from './subject.ts'
import { compileText, type TextMatcher, textHolds } from './text-matcher.ts'

interface PlacedMatcher {
  /** Of the name, in `AskedNames`. */
  readonly place: number
  readonly matcher: TextMatcher
}

/** What a match asks for besides the path, made ready. All must hold. */
export interface Conditions {
  readonly scheme: TextMatcher | undefined
  readonly method: TextMatcher | undefined
  readonly authority: TextMatcher | undefined
  readonly headers: readonly PlacedMatcher[]
  readonly withoutHeaders: readonly PlacedMatcher[]
  readonly query: readonly PlacedMatcher[]
  readonly claims: readonly { readonly path: readonly string[]; readonly matcher: TextMatcher }[]
  readonly source: SourceMatch | undefined
}

/** Names in the order in which they first came. */
export class Places {
  readonly byName: Map<string, number> = new Map()

  of(name: string): number {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    this.byName.set(name, this.byName.size)
    return this.byName.size - 1
  }
}

/**
 * Undefined when the match asks for nothing else.
 *
 * @param places of names in a request; new ones are added
 */
export function compileConditions(
  match: HttpMatch,
  places: { readonly headers: Places; readonly query: Places },
): Conditions | undefined {
  const { scheme, method, authority, headers, withoutHeaders, query, claims, source } = match
  const isEmpty =
    [scheme, method, authority, source].every((part) => part === undefined) &&
    [headers, withoutHeaders, query, claims].every((list) => list.length === 0)
  if (isEmpty) return undefined
  const placed = (list: readonly NamedMatch[], of: Places): PlacedMatcher[] =>
    list.map((named) => ({ place: of.of(octets(named.name)), matcher: compileText(named.match) }))
  return {
    scheme: scheme && compileText(scheme, true),
    method: method && compileText(method),
    authority: authority && compileText(authority, true),
    headers: placed(headers, places.headers),
    withoutHeaders: placed(withoutHeaders, places.headers),
    query: placed(query, places.query),
    claims: claims.map(({ path, match: wanted }) => ({ path, matcher: compileText(wanted) })),
    source,
  }
}

/** Cheap ones first. */
export function conditionsHold(conditions: Conditions | undefined, subject: Subject): boolean {
  if (conditions === undefined) return true
  const { request } = subject
  const { method, scheme, authority, source } = conditions
  return (
    (method === undefined || textHolds(method, request.method, subject)) &&
    (scheme === undefined || textHolds(scheme, request.scheme, subject)) &&
    (authority === undefined || textHolds(authority, request.authority, subject)) &&
    headersHold(conditions.headers, subject) &&
    noHeaderHolds(conditions.withoutHeaders, subject) &&
    queryHolds(conditions.query, subject) &&
    (source === undefined || sourceHolds(source, subject.connection, subject.view)) &&
    claimsHold(conditions.claims, subject)
  )
}

function headersHold(headers: readonly PlacedMatcher[], subject: Subject): boolean {
  for (const { place, matcher } of headers) {
    const value = subject.header(place)
    if (value === null || !namedHolds(matcher, value, subject)) return false
  }
  return true
}

/** A header that is not there counts as an empty one, but is still not present (d.4 "match"). */
function noHeaderHolds(headers: readonly PlacedMatcher[], subject: Subject): boolean {
  for (const { place, matcher } of headers) {
    const value = subject.header(place)
    if (value === null && matcher.kind === 'presence') continue
    if (namedHolds(matcher, value ?? '', subject)) return false
  }
  return true
}

function queryHolds(query: Conditions['query'], subject: Subject): boolean {
  for (const { place, matcher } of query) {
    const value = subject.parameter(place)
    if (value === undefined || !namedHolds(matcher, value, subject)) return false
  }
  return true
}

/** A header or parameter is present also when it is empty. */
function namedHolds(matcher: TextMatcher, value: string, subject: Subject): boolean {
  return matcher.kind === 'presence' || textHolds(matcher, value, subject)
}

function claimsHold(claims: Conditions['claims'], subject: Subject): boolean {
  if (claims.length === 0) return true
  const { token } = subject.who
  if (token === undefined) return false
  for (const { path, matcher } of claims) {
    if (!claimTexts(token, path).some((text) => textHolds(matcher, octets(text), subject))) return false
  }
  return true
}
