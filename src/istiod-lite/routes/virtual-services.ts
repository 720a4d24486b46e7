import type { IstioHttpRoute, IstioStreamRoute, IstioStringMatch, VirtualService } from '#shared/k8s'
import type {
  Backend,
  CorsPolicy,
  FaultPolicy,
  HttpAction,
  HttpMatch,
  HttpRule,
  Mirror,
  PathRewrite,
  TcpRule,
  TextMatch,
  WeightedBackend,
} from '#shared/l7'
import { type Cidr, parseCidr } from '#shared/net'
import { type BackendFacts, istioBackend } from './backends.ts'
import { delegatedRoutes } from './delegates.ts'
import type { Find } from './findings.ts'
import { istioHeaders, NO_CHANGES } from './header-changes.ts'
import { isExported } from './hosts.ts'
import { concerns, isCatchAll, istioHttpMatch, istioSource } from './istio-match.ts'
import { istioRetries } from './istio-retries.ts'
import { checkedRegex, istioMatch } from './patterns.ts'

export interface VirtualServiceFacts extends BackendFacts {
  /** `namespace/name`. */
  virtualServiceOf(key: string): VirtualService | undefined
}

/** One route in its place, and where it is written. */
interface PlacedRoute {
  readonly route: IstioHttpRoute
  readonly owner: VirtualService
  readonly path: string
}

/**
 * The HTTP rules of a VirtualService for one port, in the order as written. A rule that takes everything ends them. The
 * list is undefined when none of the routes fits the port: then the object says nothing about it.
 */
export function virtualServiceRules(
  object: VirtualService,
  port: number,
  facts: VirtualServiceFacts,
  find: Find,
): readonly HttpRule[] | undefined {
  const rules: HttpRule[] = []
  for (const placed of placedRoutes(object, facts, find)) {
    const matches = matchesOf(placed, port, find)
    if (matches === undefined) continue
    const rule = ruleOf(placed, matches, port, facts, find)
    if (rule === undefined) continue
    rules.push(rule)
    if (rule.matches.length === 0) break
  }
  return rules.length === 0 ? undefined : rules
}

function placedRoutes(object: VirtualService, facts: VirtualServiceFacts, find: Find): readonly PlacedRoute[] {
  return object.spec.http.flatMap((route, i): PlacedRoute[] => {
    const path = `spec.http[${i}]`
    if (route.delegate === undefined) return [{ route, owner: object, path }]
    const { namespace } = object.metadata
    const key = `${route.delegate.namespace || namespace}/${route.delegate.name}`
    const child = facts.virtualServiceOf(key)
    const problem = delegateProblem(child, key, namespace)
    if (problem !== undefined) find({ path: `${path}.delegate`, reason: 'BackendNotFound', message: problem })
    if (child === undefined || problem !== undefined) return []
    return delegatedRoutes(route, child).map((merged) => ({ route: merged, owner: child, path }))
  })
}

function delegateProblem(child: VirtualService | undefined, key: string, namespace: string): string | undefined {
  if (child === undefined) return `there is no VirtualService ${key}`
  if (child.spec.hosts.length > 0) return `VirtualService ${key} has hosts of its own`
  return isExported(child.spec.exportTo, child.metadata.namespace, namespace)
    ? undefined
    : `VirtualService ${key} is not exported to ${namespace}`
}

/** Empty = everything; undefined = nothing that comes to this port. */
function matchesOf({ route, path }: PlacedRoute, port: number, find: Find): readonly HttpMatch[] | undefined {
  if (route.match.length === 0) return []
  const matches = route.match.flatMap((match, i) =>
    concerns(match, port) ? (istioHttpMatch(match, `${path}.match[${i}]`, find) ?? []) : [],
  )
  if (matches.length === 0) return undefined
  const isNamed = matches.some(({ name }) => name !== '')
  return !isNamed && matches.some(isCatchAll) ? [] : matches
}

function ruleOf(
  placed: PlacedRoute,
  matches: readonly HttpMatch[],
  port: number,
  facts: VirtualServiceFacts,
  find: Find,
): HttpRule | undefined {
  const { route, owner, path } = placed
  const action = actionOf(placed, port, facts, find)
  if (action === undefined) return undefined
  const headers = istioHeaders(route.headers?.request, `${path}.headers.request`, find)
  return {
    origin: `VirtualService ${owner.metadata.namespace}/${owner.metadata.name} ${path}`,
    name: route.name,
    matches,
    action,
    requestHeaders: headers.changes,
    responseHeaders: istioHeaders(route.headers?.response, `${path}.headers.response`, find).changes,
    cors: route.corsPolicy && corsOf(route.corsPolicy, `${path}.corsPolicy`, find),
    fault: route.fault && faultOf(route.fault, `${path}.fault`, find),
    mirrors: route.mirrors.flatMap((mirror, i): Mirror[] => {
      const from = { namespace: owner.metadata.namespace, port }
      const to = istioBackend(mirror.destination, from, `${path}.mirrors[${i}].destination`, facts, find)
      return to.kind === 'failed' || mirror.percent === 0 ? [] : [{ to, percent: mirror.percent }]
    }),
    timeoutMs: route.timeoutMs || undefined,
    retry: istioRetries(route.retries, `${path}.retries`, find),
  }
}

/** Redirect before direct answer before destinations. */
function actionOf(placed: PlacedRoute, port: number, facts: VirtualServiceFacts, find: Find): HttpAction | undefined {
  const { route, path } = placed
  if (route.redirect !== undefined) return redirectOf(route.redirect, port, path, find)
  if (route.directResponse !== undefined) {
    const { status, body } = route.directResponse
    return { kind: 'respond', statusCode: status, body }
  }
  const backends = backendsOf(placed, port, facts, find)
  const rewrite = route.rewrite
  // With several destinations each keeps what its own headers say.
  const own = backends.length === 1 ? (backends[0]?.authority ?? '') : ''
  return {
    kind: 'forward',
    backends: backends.length === 1 ? backends.map((backend) => ({ ...backend, authority: '' })) : backends,
    rewrite: rewrite && rewriteOf(rewrite, `${path}.rewrite`, find),
    authority: rewrite?.authority || istioHeaders(route.headers?.request, '', untold).authority || own,
    persistence: undefined,
  }
}

function backendsOf(
  { route, owner, path }: PlacedRoute,
  port: number,
  facts: VirtualServiceFacts,
  find: Find,
): readonly WeightedBackend[] {
  const from = { namespace: owner.metadata.namespace, port }
  const isSingle = route.route.length === 1
  const backends = route.route.flatMap(({ destination, weight, headers }, i): WeightedBackend[] => {
    const to = istioBackend(destination, from, `${path}.route[${i}].destination`, facts, find)
    if (weight === 0 && !isSingle) return []
    const at = `${path}.route[${i}]`
    const request = istioHeaders(headers?.request, `${at}.headers.request`, find)
    return [
      {
        to,
        weight: isSingle ? 100 : weight,
        requestHeaders: request.changes,
        responseHeaders: istioHeaders(headers?.response, `${at}.headers.response`, find).changes,
        authority: request.authority,
      },
    ]
  })
  return backends.length > 0 ? backends : [unweighted(path, find)]
}

function unweighted(path: string, find: Find): WeightedBackend {
  find({ path: `${path}.route`, reason: 'UnsupportedValue', message: 'no destination has a weight' })
  const to: Backend = { kind: 'failed', statusCode: 503, reason: 'no destination has a weight' }
  return { to, weight: 1, requestHeaders: NO_CHANGES, responseHeaders: NO_CHANGES, authority: '' }
}

/** Told with the rule's header changes. */
const untold: Find = () => {}

const REDIRECT_CODES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const PREFIX = '%PREFIX()%'

function redirectOf(
  redirect: NonNullable<IstioHttpRoute['redirect']>,
  port: number,
  path: string,
  find: Find,
): HttpAction | undefined {
  if (!REDIRECT_CODES.has(redirect.redirectCode)) {
    find({
      path: `${path}.redirect.redirectCode`,
      reason: 'UnsupportedValue',
      message: 'is none of 301, 302, 303, 307, 308',
    })
    return undefined
  }
  const { uri, scheme } = redirect
  const derived = redirect.derivePort === 'FROM_REQUEST_PORT' ? port : undefined
  return {
    kind: 'redirect',
    statusCode: redirect.redirectCode,
    scheme,
    authority: redirect.authority,
    port: portToWrite(redirect.port ?? derived, scheme),
    path:
      uri === ''
        ? undefined
        : uri.startsWith(PREFIX)
          ? { kind: 'matched', value: uri.slice(PREFIX.length) }
          : { kind: 'full', value: uri },
  }
}

/** A scheme's own port is not written; a waypoint's scheme is http. */
function portToWrite(port: number | undefined, scheme: string): number | undefined {
  const isOwn = (port === 80 && scheme !== 'https') || (port === 443 && scheme === 'https')
  return isOwn ? undefined : port
}

function rewriteOf(rewrite: NonNullable<IstioHttpRoute['rewrite']>, path: string, find: Find): PathRewrite | undefined {
  const { uri, uriRegexRewrite } = rewrite
  if (uriRegexRewrite !== undefined) {
    const pattern = checkedRegex(uriRegexRewrite.match, `${path}.uriRegexRewrite.match`, find)
    return pattern === undefined ? undefined : { kind: 'regex', pattern, substitution: uriRegexRewrite.rewrite }
  }
  return uri === '' ? undefined : { kind: 'matched', value: uri }
}

function corsOf(cors: NonNullable<IstioHttpRoute['corsPolicy']>, path: string, find: Find): CorsPolicy {
  const origins = cors.allowOrigins.flatMap((origin: IstioStringMatch, i): TextMatch[] => {
    // A lone star is no text here but every origin, as in the header itself.
    if (origin.kind === 'exact' && origin.value === '*') return [{ kind: 'presence' }]
    const match = istioMatch(origin, `${path}.allowOrigins[${i}]`, find)
    return match === undefined ? [] : [match]
  })
  return {
    origins,
    methods: cors.allowMethods,
    headers: cors.allowHeaders,
    exposeHeaders: cors.exposeHeaders,
    maxAgeMs: cors.maxAgeMs,
    allowCredentials: cors.allowCredentials,
    unmatchedPreflights: cors.unmatchedPreflights === 'IGNORE' ? 'ignore' : 'forward',
  }
}

const GRPC_CODES: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** A share of nothing is no fault at all. */
function faultOf(fault: NonNullable<IstioHttpRoute['fault']>, path: string, find: Find): FaultPolicy | undefined {
  const delay =
    fault.delay === undefined || fault.delay.percent === 0
      ? undefined
      : { percent: fault.delay.percent, durationMs: fault.delay.fixedDelayMs }
  const abort = abortOf(fault.abort, path, find)
  return delay === undefined && abort === undefined ? undefined : { delay, abort }
}

function abortOf(abort: NonNullable<IstioHttpRoute['fault']>['abort'], path: string, find: Find): FaultPolicy['abort'] {
  if (abort === undefined || abort.percent === 0) return undefined
  const { percent, httpStatus, grpcStatus } = abort
  if (httpStatus !== undefined) return { percent, status: { kind: 'http', code: httpStatus } }
  const code = /^\d+$/.test(grpcStatus) ? Number(grpcStatus) : GRPC_CODES.indexOf(grpcStatus.toUpperCase())
  if (code >= 0 && code < GRPC_CODES.length) return { percent, status: { kind: 'grpc', code } }
  find({
    path: `${path}.abort`,
    reason: 'UnsupportedValue',
    message: `${grpcStatus === '' ? 'nothing' : grpcStatus} is no status to abort with`,
  })
  return undefined
}

/** TLS routes before TCP routes, as they are more specific; undefined when none fits the port. */
export function virtualServiceStreams(
  object: VirtualService,
  port: number,
  facts: BackendFacts,
  find: Find,
): readonly TcpRule[] | undefined {
  const rules = (['tls', 'tcp'] as const).flatMap((field) =>
    object.spec[field].flatMap((route, i) => streamRule(object, route, `spec.${field}[${i}]`, port, facts, find) ?? []),
  )
  return rules.length === 0 ? undefined : rules
}

function streamRule(
  object: VirtualService,
  route: IstioStreamRoute,
  path: string,
  port: number,
  facts: BackendFacts,
  find: Find,
): TcpRule | undefined {
  const { namespace, name } = object.metadata
  const usable = route.match.filter((match) => concerns(match, port))
  if (route.match.length > 0 && usable.length === 0) return undefined
  const from = { namespace, port }
  const isSingle = route.route.length === 1
  const backends = route.route.flatMap(({ destination, weight }, i): WeightedBackend[] => {
    const to = istioBackend(destination, from, `${path}.route[${i}].destination`, facts, find)
    if (weight === 0 && !isSingle) return []
    return [
      { to, weight: isSingle ? 100 : weight, requestHeaders: NO_CHANGES, responseHeaders: NO_CHANGES, authority: '' },
    ]
  })
  return {
    origin: `VirtualService ${namespace}/${name} ${path}`,
    matches: usable.map((match) => ({
      sniHosts: match.sniHosts,
      destinations: match.destinationSubnets.flatMap((block): Cidr[] => {
        const read = parseCidr(block)
        return read === undefined ? [] : [read]
      }),
      source: istioSource(match),
    })),
    backends: backends.length > 0 ? backends : [unweighted(path, find)],
  }
}
