import { flag, integer, list, oneOf, optional, record, type Shape, shown, text } from '#shared/document'
import { type KindBody, MAX_PORT } from './core-kinds.ts'
import { durationMs } from './durations.ts'
import { type FieldNote, notHonoured, withNotes } from './notes.ts'
import type {
  BackendTarget,
  GRPCRoute,
  GrpcRouteMatch,
  HTTPRoute,
  HttpRouteMatch,
  HttpRouteRule,
  ParentRef,
  RouteFilter,
  RouteHeaderChanges,
  RouteNamedMatch,
  RoutePathModifier,
  RouteRetry,
  RouteSessionPersistence,
  TCPRoute,
  TLSRoute,
} from './route-types.ts'

/** Gateway API's largest weight. */
const MAX_WEIGHT = 1_000_000
const GATEWAY_GROUP = 'gateway.networking.k8s.io'

const parentRef: Shape<ParentRef> = record({
  group: text(GATEWAY_GROUP),
  kind: text('Gateway'),
  namespace: text(''),
  name: text(),
  sectionName: text(''),
  port: optional(integer(1, MAX_PORT)),
})

const backendFields = {
  group: text(''),
  kind: text('Service'),
  namespace: text(''),
  name: text(),
  port: optional(integer(1, MAX_PORT)),
}
const backendTarget: Shape<BackendTarget> = record(backendFields)
const weight: Shape<number> = (value, path, report) =>
  value === undefined ? 1 : integer(0, MAX_WEIGHT)(value, path, report)

const namedMatch: Shape<RouteNamedMatch> = record({
  type: oneOf(['Exact', 'RegularExpression'], 'Exact'),
  name: text(),
  value: text(),
})

const headerValue = record({ name: text(), value: text() })
const headerChanges: Shape<RouteHeaderChanges> = record({
  set: list(headerValue),
  add: list(headerValue),
  remove: list(text()),
})

const pathFields = record({
  type: oneOf(['ReplaceFullPath', 'ReplacePrefixMatch'], undefined),
  replaceFullPath: text(''),
  replacePrefixMatch: text(''),
})
const pathModifier: Shape<RoutePathModifier> = (value, path, report) => {
  const { type, replaceFullPath, replacePrefixMatch } = pathFields(value, path, report)
  return { type, value: type === 'ReplaceFullPath' ? replaceFullPath : replacePrefixMatch }
}

const redirect = record({
  scheme: oneOf(['', 'http', 'https'], ''),
  hostname: text(''),
  path: optional(pathModifier),
  port: optional(integer(1, MAX_PORT)),
  statusCode: optional(integer(300, 399)),
})
const rewrite = record({ hostname: text(''), path: optional(pathModifier) })
const mirror = record({
  backendRef: backendTarget,
  percent: optional(integer(0, 100)),
  fraction: optional(record({ numerator: integer(0, MAX_WEIGHT), denominator: optional(integer(1, MAX_WEIGHT)) })),
})
const DEFAULT_MAX_AGE_S = 5
const cors = record({
  allowOrigins: list(text()),
  allowCredentials: flag,
  allowMethods: list(text()),
  allowHeaders: list(text()),
  exposeHeaders: list(text()),
  maxAge: optional(integer(1, 4_000_000)),
})

const filterType = record({ type: text() })
const filter: Shape<RouteFilter> = (value, path, report) => {
  const { type } = filterType(value, path, report)
  // The record has just this one field, of the shape's type.
  const read = <T>(field: string, shape: Shape<T>): T => record({ [field]: shape })(value, path, report)[field] as T
  switch (type) {
    case 'RequestHeaderModifier':
      return { type, changes: read('requestHeaderModifier', headerChanges) }
    case 'ResponseHeaderModifier':
      return { type, changes: read('responseHeaderModifier', headerChanges) }
    case 'RequestRedirect': {
      const { statusCode, ...rest } = read('requestRedirect', redirect)
      return { type, ...rest, statusCode: statusCode ?? 302 }
    }
    case 'URLRewrite':
      return { type, ...read('urlRewrite', rewrite) }
    case 'RequestMirror': {
      const { backendRef, percent, fraction } = read('requestMirror', mirror)
      const share = fraction === undefined ? percent : (100 * fraction.numerator) / (fraction.denominator ?? 100)
      return { type, backendRef, percent: Math.min(100, share ?? 100) }
    }
    case 'CORS': {
      const { maxAge, ...rest } = read('cors', cors)
      return { type, ...rest, maxAgeMs: (maxAge ?? DEFAULT_MAX_AGE_S) * 1_000 }
    }
    default:
      return { type: 'Unsupported', name: type }
  }
}

const backendRef = record({ ...backendFields, weight, filters: list(filter) })

const retryFields = record({
  codes: list(integer(400, 599)),
  attempts: optional(integer(0, 1_000)),
  backoff: optional(durationMs),
})
const retry: Shape<RouteRetry> = (value, path, report) => {
  const { backoff, ...rest } = retryFields(value, path, report)
  return { ...rest, backoffMs: backoff }
}

const persistenceFields = record({
  sessionName: text(''),
  absoluteTimeout: optional(durationMs),
  idleTimeout: optional(durationMs),
  type: oneOf(['Cookie', 'Header'], 'Cookie'),
  cookieConfig: record({ lifetimeType: oneOf(['Permanent', 'Session'], 'Session') }),
})
const persistence: Shape<RouteSessionPersistence> = (value, path, report) => {
  const { absoluteTimeout, idleTimeout, cookieConfig, ...rest } = persistenceFields(value, path, report)
  const { lifetimeType } = cookieConfig
  if (lifetimeType === 'Permanent' && absoluteTimeout === undefined)
    report([...path, 'absoluteTimeout'], 'is missing for a permanent cookie')
  return { ...rest, absoluteTimeoutMs: absoluteTimeout, idleTimeoutMs: idleTimeout, lifetimeType }
}

const pathMatch = record({
  type: oneOf(['Exact', 'PathPrefix', 'RegularExpression'], 'PathPrefix'),
  value: text('/'),
})
const httpMatch: Shape<HttpRouteMatch> = record({
  path: (value, path, report) => {
    const read = pathMatch(value, path, report)
    if (read.type !== 'RegularExpression' && !read.value.startsWith('/'))
      report([...path, 'value'], `must begin with /: ${shown(read.value)}`)
    return read
  },
  headers: list(namedMatch),
  queryParams: list(namedMatch),
  method: text(''),
})

const timeouts = record({ request: optional(durationMs), backendRequest: optional(durationMs) })
const httpRuleFields = record({
  name: text(''),
  matches: list(httpMatch),
  filters: list(filter),
  backendRefs: list(backendRef),
  timeouts,
  retry: optional(retry),
  sessionPersistence: optional(persistence),
})
const httpRule: Shape<HttpRouteRule> = (value, path, report) => {
  const { timeouts: times, ...rest } = httpRuleFields(value, path, report)
  const { request, backendRequest } = times
  if ((request ?? 0) > 0 && (backendRequest ?? 0) > (request ?? 0))
    report([...path, 'timeouts', 'backendRequest'], 'must not be longer than request')
  return { ...rest, timeouts: { requestMs: request, backendRequestMs: backendRequest } }
}

const grpcMatch: Shape<GrpcRouteMatch> = record({
  method: optional(
    record({ type: oneOf(['Exact', 'RegularExpression'], 'Exact'), service: text(''), method: text('') }),
  ),
  headers: list(namedMatch),
})

const parentRefs = list(parentRef)
/** For a Gateway's listeners; a service is asked by whatever name leads to it (GEP-1426). */
const hostnames = list(text())

const httpRoute = record({ parentRefs, hostnames, rules: list(httpRule) })
const grpcRoute = record({
  parentRefs,
  hostnames,
  rules: list(
    record({
      name: text(''),
      matches: list(grpcMatch),
      filters: list(filter),
      backendRefs: list(backendRef),
      sessionPersistence: optional(persistence),
    }),
  ),
})
const streamRules = list(record({ name: text(''), backendRefs: list(record({ ...backendFields, weight })) }))
const useDefaultGateways = notHonoured('there are no default gateways')
const tcpRoute = record({ parentRefs, useDefaultGateways, rules: streamRules })
const tlsRoute = record({ parentRefs, useDefaultGateways, hostnames, rules: streamRules })

function bodyOf<S extends object>(
  shape: Shape<S>,
): KindBody<{ readonly spec: S & { readonly notes: readonly FieldNote[] } }> {
  return (document, report) => {
    const { value, notes } = withNotes(shape, document.spec ?? {}, ['spec'], report)
    return { spec: { ...value, notes } }
  }
}

/** What nobody matches otherwise is every request (HTTPRouteRule.matches). */
const EVERYTHING: HttpRouteMatch = {
  path: { type: 'PathPrefix', value: '/' },
  headers: [],
  queryParams: [],
  method: '',
}

export const httpRouteBody: KindBody<Pick<HTTPRoute, 'spec'>> = (document, report) => {
  const { hostnames: _, ...spec } = bodyOf(httpRoute)(document, report).spec
  const rules = spec.rules.map((rule) => ({
    ...rule,
    matches: rule.matches.length === 0 ? [EVERYTHING] : rule.matches,
  }))
  return { spec: { ...spec, rules } }
}

export const grpcRouteBody: KindBody<Pick<GRPCRoute, 'spec'>> = (document, report) => {
  const { hostnames: _, ...spec } = bodyOf(grpcRoute)(document, report).spec
  return { spec }
}

export const tcpRouteBody: KindBody<Pick<TCPRoute, 'spec'>> = bodyOf(tcpRoute)
export const tlsRouteBody: KindBody<Pick<TLSRoute, 'spec'>> = bodyOf(tlsRoute)
