import type { CorsPolicy } from '#shared/l7'
import type { LocalReply, RequestHead } from '../codec/index.ts'
import { compileText, octets, type TextMatcher, textHolds } from '../route/index.ts'

/** What a policy means for one request. */
export type CorsVerdict =
  /** Nothing of CORS, or of an origin that gets nothing: the browser will see to it. */
  | { readonly kind: 'none' }
  /** The answer is for that origin. */
  | { readonly kind: 'allowed'; readonly origin: string }
  | { readonly kind: 'preflight'; readonly reply: LocalReply }

type Line = readonly [name: string, value: string]

const NONE: CorsVerdict = { kind: 'none' }

export function judgeCors(policy: CorsPolicy, request: RequestHead): CorsVerdict {
  const origin = request.fields.get('origin')
  if (origin === undefined || origin === '') return NONE
  const method = request.method === 'OPTIONS' ? (request.fields.get('access-control-request-method') ?? '') : ''
  const isPreflight = method !== ''
  if (isAllowed(policy, origin))
    return isPreflight
      ? { kind: 'preflight', reply: preflightReply(preflightLines(policy, origin, method, request)) }
      : { kind: 'allowed', origin }
  return isPreflight && policy.unmatchedPreflights === 'ignore'
    ? { kind: 'preflight', reply: preflightReply([]) }
    : NONE
}

/** For the answer to a request of an allowed origin. What the endpoint says of CORS itself is replaced. */
export function corsLines(policy: CorsPolicy, origin: string): readonly Line[] {
  const lines: Line[] = [['access-control-allow-origin', origin]]
  if (policy.allowCredentials) lines.push(['access-control-allow-credentials', 'true'])
  if (policy.exposeHeaders.length > 0) lines.push(['access-control-expose-headers', joined(policy.exposeHeaders)])
  return lines
}

function preflightLines(policy: CorsPolicy, origin: string, method: string, request: RequestHead): readonly Line[] {
  const lines = [...corsLines(policy, origin)]
  const asked = request.fields.values('access-control-request-headers').join(',')
  const methods = echoed(policy.methods, method)
  const headers = echoed(policy.headers, asked)
  if (methods !== '') lines.push(['access-control-allow-methods', methods])
  if (headers !== '') lines.push(['access-control-allow-headers', headers])
  if (policy.maxAgeMs !== undefined) lines.push(['access-control-max-age', `${Math.floor(policy.maxAgeMs / 1_000)}`])
  return lines
}

/** A star would not count for requests with credentials, so what was asked for is answered instead. */
function echoed(allowed: readonly string[], asked: string): string {
  if (!allowed.includes('*')) return joined(allowed)
  return TOKENS.test(asked) ? asked : ''
}

/** Tokens (RFC 9110 §5.6.2) with commas between. */
const TOKENS = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/

function joined(words: readonly string[]): string {
  return octets(words.join(', '))
}

function preflightReply(fields: readonly Line[]): LocalReply {
  return {
    kind: 'reply',
    status: 200,
    body: '',
    fields,
    grpcStatus: undefined,
    flag: '',
    details: 'cors_response',
    cause: undefined,
  }
}

const compiledOrigins = new WeakMap<CorsPolicy, readonly TextMatcher[]>()

function isAllowed(policy: CorsPolicy, origin: string): boolean {
  let origins = compiledOrigins.get(policy)
  if (origins === undefined) {
    origins = policy.origins.map((each) => compileText(each))
    compiledOrigins.set(policy, origins)
  }
  // An origin that is too long for an expression is nobody's.
  const reader = { isOverlong: false }
  return origins.some((each) => textHolds(each, origin, reader))
}
