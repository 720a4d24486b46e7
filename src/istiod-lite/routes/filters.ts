import type { RouteFilter, RoutePathModifier } from '#shared/k8s'
import type { CorsPolicy, HeaderChanges, HttpAction, Mirror, PathRewrite, RedirectAction, TextMatch } from '#shared/l7'
import { type BackendFacts, gatewayBackend, type Referrer } from './backends.ts'
import type { Find } from './findings.ts'
import { NO_CHANGES, readHeaders } from './header-changes.ts'

/** What the filters of a rule come to. */
export interface AppliedFilters {
  /** A filter that is not supported may not be passed over: the rule answers 500 (HTTPRouteRule.filters). */
  readonly failure: HttpAction | undefined
  readonly redirect: RedirectAction | undefined
  readonly rewrite: PathRewrite | undefined
  readonly authority: string
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
  readonly mirrors: readonly Mirror[]
  readonly cors: CorsPolicy | undefined
}

export interface FilterPlace {
  readonly path: string
  /** Of the service. */
  readonly port: number
  readonly from: Referrer
}

export function applyFilters(
  filters: readonly RouteFilter[],
  place: FilterPlace,
  facts: BackendFacts,
  find: Find,
): AppliedFilters {
  let applied: AppliedFilters = {
    failure: undefined,
    redirect: undefined,
    rewrite: undefined,
    authority: '',
    requestHeaders: NO_CHANGES,
    responseHeaders: NO_CHANGES,
    mirrors: [],
    cors: undefined,
  }
  for (const [i, filter] of filters.entries()) {
    const path = `${place.path}[${i}]`
    switch (filter.type) {
      case 'RequestHeaderModifier': {
        const { changes, authority } = readHeaders(filter.changes, path, find)
        applied = { ...applied, requestHeaders: changes, authority: applied.authority || authority }
        break
      }
      case 'ResponseHeaderModifier':
        applied = { ...applied, responseHeaders: readHeaders(filter.changes, path, find).changes }
        break
      case 'RequestRedirect':
        applied = { ...applied, redirect: redirectOf(filter, place.port) }
        break
      case 'URLRewrite':
        applied = { ...applied, rewrite: pathRewrite(filter.path), authority: filter.hostname || applied.authority }
        break
      case 'RequestMirror': {
        const to = gatewayBackend(filter.backendRef, place.from, `${path}.requestMirror.backendRef`, facts, find)
        // A copy that can go nowhere is nobody's loss; its author is told.
        const isSent = to.kind === 'cluster' && filter.percent > 0
        if (isSent) applied = { ...applied, mirrors: [...applied.mirrors, { to, percent: filter.percent }] }
        break
      }
      case 'CORS':
        applied = { ...applied, cors: corsOf(filter) }
        break
      case 'Unsupported':
        find({
          path,
          reason: 'UnsupportedValue',
          message: `filter ${filter.name} is not supported: the rule answers 500`,
        })
        applied = { ...applied, failure: failure(`filter ${filter.name} is not supported`) }
    }
  }
  return applied
}

function failure(reason: string): HttpAction {
  const to = { kind: 'failed', statusCode: 500, reason } as const
  const backend = { to, weight: 1, requestHeaders: NO_CHANGES, responseHeaders: NO_CHANGES, authority: '' }
  return { kind: 'forward', backends: [backend], rewrite: undefined, authority: '', persistence: undefined }
}

const SCHEME_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 }

/** Without a port it is the scheme's, or the one that was asked for (HTTPRequestRedirectFilter.port). */
function redirectOf(filter: Extract<RouteFilter, { type: 'RequestRedirect' }>, port: number): RedirectAction {
  return {
    kind: 'redirect',
    statusCode: filter.statusCode,
    scheme: filter.scheme,
    authority: filter.hostname,
    port: filter.port ?? SCHEME_PORTS[filter.scheme] ?? port,
    path: pathRewrite(filter.path),
  }
}

function pathRewrite(modifier: RoutePathModifier | undefined): PathRewrite | undefined {
  return modifier && { kind: modifier.type === 'ReplaceFullPath' ? 'full' : 'matched', value: modifier.value }
}

function corsOf(filter: Extract<RouteFilter, { type: 'CORS' }>): CorsPolicy {
  return {
    origins: filter.allowOrigins.map(originMatch),
    methods: filter.allowMethods,
    headers: filter.allowHeaders,
    exposeHeaders: filter.exposeHeaders,
    maxAgeMs: filter.maxAgeMs,
    allowCredentials: filter.allowCredentials,
    unmatchedPreflights: 'ignore',
  }
}

/** `*`, or `scheme://*.rest` in which the star stands for one or more labels. */
function originMatch(origin: string): TextMatch {
  if (origin === '*') return { kind: 'presence' }
  if (!origin.includes('*')) return { kind: 'exact', value: origin }
  const pattern = origin
    .split('*')
    .map((part) => part.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&'))
    .join('.+')
  return { kind: 'regex', value: pattern }
}
