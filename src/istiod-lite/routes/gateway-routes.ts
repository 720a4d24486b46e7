import type {
  BackendRef,
  GRPCRoute,
  GrpcRouteMatch,
  HTTPRoute,
  HttpRouteMatch,
  RouteFilter,
  RouteNamedMatch,
  RouteRetry,
  RouteSessionPersistence,
} from '#shared/k8s'
import {
  backoffOf,
  DEFAULT_RETRY,
  type HttpAction,
  type HttpMatch,
  type HttpRule,
  type NamedMatch,
  type PathMatch,
  type PathRewrite,
  type RetryPolicy,
  type SessionPersistence,
  type TextMatch,
  type WeightedBackend,
} from '#shared/l7'
import { type BackendFacts, gatewayBackend } from './backends.ts'
import { type AppliedFilters, applyFilters } from './filters.ts'
import type { Find } from './findings.ts'
import { NO_CHANGES, readHeaders } from './header-changes.ts'
import { byAge } from './hosts.ts'
import { checkedRegex } from './patterns.ts'

/** A rule with what decides about its place among others (HTTPRouteRule.matches). */
export interface RankedRule {
  readonly rule: HttpRule
  /** Compared from the left, larger first. */
  readonly rank: readonly number[]
  readonly route: HTTPRoute | GRPCRoute
}

/** Every kind of rule of a route in one form. */
interface CommonRule {
  readonly name: string
  readonly filters: readonly RouteFilter[]
  readonly backendRefs: readonly BackendRef[]
  readonly timeouts: { readonly requestMs: number | undefined; readonly backendRequestMs: number | undefined }
  readonly retry: RouteRetry | undefined
  readonly sessionPersistence: RouteSessionPersistence | undefined
}

interface RankedMatch {
  readonly match: HttpMatch
  readonly rank: readonly number[]
}

/** Exact before prefix before expression. */
const PATH_RANKS: Readonly<Record<PathMatch['kind'], number>> = { exact: 3, segments: 2, prefix: 2, regex: 1 }

/** Each match of each rule becomes a rule of its own, for they are ordered one by one. */
export function httpRouteRules(route: HTTPRoute, port: number, facts: BackendFacts, find: Find): readonly RankedRule[] {
  return route.spec.rules.flatMap((rule, i) => {
    const path = `spec.rules[${i}]`
    const matches = rule.matches.map((match, j) => httpMatch(match, `${path}.matches[${j}]`, find))
    return rankedRules(route, rule, matches, { path, port }, facts, find)
  })
}

export function grpcRouteRules(route: GRPCRoute, port: number, facts: BackendFacts, find: Find): readonly RankedRule[] {
  return route.spec.rules.flatMap((rule, i) => {
    const path = `spec.rules[${i}]`
    const written: readonly GrpcRouteMatch[] =
      rule.matches.length === 0 ? [{ method: undefined, headers: [] }] : rule.matches
    const matches = written.map((match, j) => grpcMatch(match, `${path}.matches[${j}]`, find))
    const common = { ...rule, timeouts: { requestMs: undefined, backendRequestMs: undefined }, retry: undefined }
    return rankedRules(route, common, matches, { path, port }, facts, find)
  })
}

/** Rules of one service's port in their order: most specific first, then oldest route, then by its name. */
export function inOrder(rules: readonly RankedRule[]): readonly HttpRule[] {
  const compare = (a: RankedRule, b: RankedRule): number => {
    for (const [i, rank] of a.rank.entries()) {
      const other = b.rank[i] ?? 0
      if (rank !== other) return other - rank
    }
    // Those of one route stay as written: the sort is stable.
    return a.route === b.route ? 0 : byAge(a.route, b.route)
  }
  return [...rules].sort(compare).map(({ rule }) => rule)
}

function rankedRules(
  route: HTTPRoute | GRPCRoute,
  rule: CommonRule,
  matches: readonly (RankedMatch | undefined)[],
  at: { readonly path: string; readonly port: number },
  facts: BackendFacts,
  find: Find,
): readonly RankedRule[] {
  const from = { kind: route.kind, namespace: route.metadata.namespace }
  const applied = applyFilters(rule.filters, { path: `${at.path}.filters`, port: at.port, from }, facts, find)
  const origin = `${route.kind} ${route.metadata.namespace}/${route.metadata.name} ${at.path}`
  const body: Omit<HttpRule, 'origin' | 'matches'> = {
    name: rule.name,
    action: applied.failure ?? applied.redirect ?? forward(route, rule, applied, at.path, facts, find),
    requestHeaders: applied.requestHeaders,
    responseHeaders: applied.responseHeaders,
    cors: applied.cors,
    fault: undefined,
    mirrors: applied.mirrors,
    timeoutMs: rule.timeouts.requestMs || undefined,
    retry: retryOf(rule),
  }
  // What replaces a prefix has to know that it was one of whole segments.
  const needsPrefix = pathOf(body.action)?.kind === 'matched'
  return matches.flatMap((ranked, j): RankedRule[] =>
    ranked === undefined
      ? []
      : [
          {
            rule: {
              ...body,
              origin: matches.length > 1 ? `${origin}.matches[${j}]` : origin,
              matches: isEverything(ranked.match) && !needsPrefix ? [] : [ranked.match],
            },
            rank: ranked.rank,
            route,
          },
        ],
  )
}

function pathOf(action: HttpAction): PathRewrite | undefined {
  if (action.kind === 'respond') return undefined
  return action.kind === 'redirect' ? action.path : action.rewrite
}

function forward(
  route: HTTPRoute | GRPCRoute,
  rule: CommonRule,
  applied: AppliedFilters,
  path: string,
  facts: BackendFacts,
  find: Find,
): HttpAction {
  const from = { kind: route.kind, namespace: route.metadata.namespace }
  if (rule.sessionPersistence !== undefined)
    find({
      path: `${path}.sessionPersistence`,
      reason: 'UnsupportedValue',
      message: 'sessions are not kept: each request is balanced by itself',
    })
  const backends = rule.backendRefs.flatMap((ref, i): WeightedBackend[] => {
    const at = `${path}.backendRefs[${i}]`
    // Looked at even if it gets nothing now, so that its problems are told before it does.
    const to = gatewayBackend(ref, from, at, facts, find)
    if (ref.weight === 0) return []
    const headers = backendHeaders(ref, at, find)
    if (headers === undefined)
      return [
        {
          ...PLAIN,
          to: { kind: 'failed', statusCode: 500, reason: 'a filter of the backend is not supported' },
          weight: ref.weight,
        },
      ]
    return [{ ...headers, to, weight: ref.weight }]
  })
  if (backends.length === 0) {
    const reason = rule.backendRefs.length === 0 ? 'the rule has no backend' : 'no backend has a weight'
    return {
      kind: 'forward',
      backends: [{ ...PLAIN, to: { kind: 'failed', statusCode: 500, reason }, weight: 1 }],
      ...NO_REWRITE,
    }
  }
  return {
    kind: 'forward',
    backends,
    rewrite: applied.rewrite,
    authority: applied.authority,
    persistence: persistenceOf(rule.sessionPersistence),
  }
}

const PLAIN = { requestHeaders: NO_CHANGES, responseHeaders: NO_CHANGES, authority: '' } as const
const NO_REWRITE = { rewrite: undefined, authority: '', persistence: undefined } as const

/** Undefined when a filter stands there that cannot: the backend fails rather than be used without it. */
function backendHeaders(ref: BackendRef, path: string, find: Find): Omit<WeightedBackend, 'to' | 'weight'> | undefined {
  let read: Omit<WeightedBackend, 'to' | 'weight'> = PLAIN
  for (const [i, filter] of ref.filters.entries()) {
    const at = `${path}.filters[${i}]`
    if (filter.type === 'RequestHeaderModifier') {
      const { changes, authority } = readHeaders(filter.changes, at, find)
      read = { ...read, requestHeaders: changes, authority }
    } else if (filter.type === 'ResponseHeaderModifier')
      read = { ...read, responseHeaders: readHeaders(filter.changes, at, find).changes }
    else {
      const name = filter.type === 'Unsupported' ? filter.name : filter.type
      find({
        path: at,
        reason: 'UnsupportedValue',
        message: `${name} is not supported for a backend`,
      })
      return undefined
    }
  }
  return read
}

/** What a route says of retries; without a word Istio's default, with a word on attempts at least lost connections. */
function retryOf({ retry, timeouts }: CommonRule): RetryPolicy | undefined {
  const perTryTimeoutMs = timeouts.backendRequestMs || undefined
  if (retry === undefined) return { ...DEFAULT_RETRY, perTryTimeoutMs }
  const attempts = retry.attempts ?? DEFAULT_RETRY.attempts
  if (attempts === 0) return undefined
  return {
    ...DEFAULT_RETRY,
    attempts,
    on: [
      'connect-failure',
      'refused-stream',
      'reset',
      ...(retry.codes.length > 0 ? (['retriable-status-codes'] as const) : []),
    ],
    statusCodes: retry.codes,
    perTryTimeoutMs,
    backoff: backoffOf(retry.backoffMs),
  }
}

function persistenceOf(wanted: RouteSessionPersistence | undefined): SessionPersistence | undefined {
  return (
    wanted && {
      by: wanted.type === 'Cookie' ? 'cookie' : 'header',
      name: wanted.sessionName,
      absoluteTimeoutMs: wanted.absoluteTimeoutMs,
      idleTimeoutMs: wanted.idleTimeoutMs,
      isPermanent: wanted.lifetimeType === 'Permanent',
    }
  )
}

const ANYTHING: HttpMatch = {
  name: '',
  path: undefined,
  ignorePathCase: false,
  scheme: undefined,
  method: undefined,
  authority: undefined,
  headers: [],
  withoutHeaders: [],
  query: [],
  claims: [],
  source: undefined,
}

function isEverything({ path, method, headers, query }: HttpMatch): boolean {
  const isRoot = path === undefined || (path.kind === 'segments' && path.value === '/')
  return isRoot && method === undefined && headers.length + query.length === 0
}

function httpMatch(match: HttpRouteMatch, path: string, find: Find): RankedMatch | undefined {
  const { type, value } = match.path
  const pattern = type === 'RegularExpression' ? checkedRegex(value, `${path}.path.value`, find) : value
  const headers = namedMatches(match.headers, `${path}.headers`, find, (name) => name.toLowerCase())
  const query = namedMatches(match.queryParams, `${path}.queryParams`, find, (name) => name)
  if (pattern === undefined || headers === undefined || query === undefined) return undefined
  const kinds = { Exact: 'exact', PathPrefix: 'segments', RegularExpression: 'regex' } as const
  return ranked({
    ...ANYTHING,
    path: { kind: kinds[type], value: pattern },
    method: match.method === '' ? undefined : { kind: 'exact', value: match.method },
    headers,
    query,
  })
}

/** `/service/method`; one of them alone is a prefix, or an expression. */
function grpcMatch(match: GrpcRouteMatch, path: string, find: Find): RankedMatch | undefined {
  const headers = namedMatches(match.headers, `${path}.headers`, find, (name) => name.toLowerCase())
  const grpcPath = match.method === undefined ? undefined : grpcPathMatch(match.method)
  if (grpcPath?.kind === 'regex' && checkedRegex(grpcPath.value, `${path}.method`, find) === undefined) return undefined
  return headers && ranked({ ...ANYTHING, path: grpcPath, headers })
}

function grpcPathMatch({ type, service, method }: NonNullable<GrpcRouteMatch['method']>): PathMatch | undefined {
  if (service === '' && method === '') return undefined
  if (type === 'RegularExpression') return { kind: 'regex', value: `/${service || '[^/]+'}/${method || '[^/]+'}` }
  if (method === '') return { kind: 'prefix', value: `/${service}/` }
  return service === ''
    ? { kind: 'regex', value: `/[^/]+/${quoted(method)}` }
    : { kind: 'exact', value: `/${service}/${method}` }
}

function quoted(text: string): string {
  return text.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&')
}

function ranked(match: HttpMatch): RankedMatch {
  const { path, method, headers, query } = match
  const rank = [
    path === undefined ? 0 : PATH_RANKS[path.kind],
    path?.value.length ?? 0,
    method === undefined ? 0 : 1,
    headers.length,
    query.length,
  ]
  return { match, rank }
}

/** Of several with one name the first counts; undefined when one of them is no expression. */
function namedMatches(
  matches: readonly RouteNamedMatch[],
  path: string,
  find: Find,
  spell: (name: string) => string,
): readonly NamedMatch[] | undefined {
  const byName = new Map<string, TextMatch>()
  for (const [i, { type, name, value }] of matches.entries()) {
    const key = spell(name)
    if (byName.has(key)) continue
    const pattern = type === 'RegularExpression' ? checkedRegex(value, `${path}[${i}].value`, find) : value
    if (pattern === undefined) return undefined
    byName.set(key, { kind: type === 'RegularExpression' ? 'regex' : 'exact', value: pattern })
  }
  return [...byName].map(([name, match]) => ({ name, match }))
}
