import type { ErrorCode, MeshError } from '#shared/errors'
import type { RetryCondition, RetryPolicy } from '#shared/l7'
import type { ResponseHead } from '../codec/index.ts'

/** How one attempt ended, as far as another one depends on it. */
export type AttemptEnd =
  | { readonly kind: 'answered'; readonly head: ResponseHead }
  | { readonly kind: 'failed'; readonly error: MeshError }

/** gRPC statuses of an answer that is nothing but trailers. */
const GRPC_CONDITIONS: ReadonlyMap<string, RetryCondition> = new Map([
  ['1', 'cancelled'],
  ['4', 'deadline-exceeded'],
  ['8', 'resource-exhausted'],
  ['13', 'internal'],
  ['14', 'unavailable'],
])

const CONNECT_FAILURES: ReadonlySet<ErrorCode> = new Set([
  'UPSTREAM_CONNECT_FAILED',
  'UPSTREAM_CONNECT_TIMEOUT',
  'TUNNEL_REFUSED',
  'TUNNEL_HANDSHAKE_FAILED',
  'TUNNEL_HANDSHAKE_TIMEOUT',
  'TUNNEL_ANSWER_TIMEOUT',
  'PEER_UNVERIFIED',
  'PEER_REVOKED',
])

/** Conditions that any attempt without an answer meets, whatever ended it; Envoy's meaning of each. */
const ANY_RESET: readonly RetryCondition[] = ['5xx', 'gateway-error', 'reset']

/** Conditions under which an endpoint may already have worked on the request. */
const AFTER_WORK: ReadonlySet<RetryCondition> = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'retriable-4xx',
  'retriable-status-codes',
  'envoy-ratelimited',
])
const AFTER_GRPC_WORK: ReadonlySet<RetryCondition> = new Set(GRPC_CONDITIONS.values())

/** RFC 9110 §9.2.2: twice is as good as once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE'])

/** Whether the policy names what happened. A pool's own bound and our own troubles are never met by trying again. */
export function isRetriable(policy: RetryPolicy, method: string, end: AttemptEnd): boolean {
  return end.kind === 'failed' ? isRetriableFailure(policy.on, method, end.error) : isRetriableAnswer(policy, end.head)
}

/** Whether no application can have seen the request: it was not sent, or refused unseen. */
export function isUnsent(end: AttemptEnd): boolean {
  if (end.kind === 'answered') return false
  return end.error.spec.retry !== 'never' || CONNECT_FAILURES.has(end.error.code)
}

/** Whether the policy ever repeats what an application may have worked on. */
export function repeatsWork(policy: RetryPolicy, isGrpc: boolean): boolean {
  for (const condition of policy.on) {
    if (condition === 'retriable-status-codes' && policy.statusCodes.length === 0) continue
    if (AFTER_WORK.has(condition) || (isGrpc && AFTER_GRPC_WORK.has(condition))) return true
  }
  return false
}

function isRetriableFailure(on: readonly RetryCondition[], method: string, { code, spec }: MeshError): boolean {
  if (spec.side !== 'upstream') return false
  if (ANY_RESET.some((condition) => on.includes(condition))) return true
  if (CONNECT_FAILURES.has(code)) return on.includes('connect-failure') || on.includes('reset-before-request')
  if (code === 'UPSTREAM_REFUSED_STREAM') return on.includes('refused-stream')
  if (spec.retry === 'never') return false
  // A connection that went while it lay in the pool is, to the request, one that could not be made. But the head may
  // have been on its way, and a head alone is a request already.
  if (spec.retry === 'reused-connection' && !IDEMPOTENT.has(method)) return false
  return on.includes('reset-before-request') || on.includes('connect-failure')
}

function isRetriableAnswer(policy: RetryPolicy, { status, fields }: ResponseHead): boolean {
  const { on, statusCodes } = policy
  // Envoy's rule: who was limited by rate asks again only where that is said.
  if (fields.has('x-envoy-ratelimited')) return on.includes('envoy-ratelimited')
  if (status >= 500 && on.includes('5xx')) return true
  if (status >= 502 && status <= 504 && on.includes('gateway-error')) return true
  if (status === 409 && on.includes('retriable-4xx')) return true
  if (on.includes('retriable-status-codes') && statusCodes.includes(status)) return true
  const grpcStatus = fields.get('grpc-status')
  if (grpcStatus === undefined) return false
  const condition = GRPC_CONDITIONS.get(grpcStatus)
  return condition !== undefined && on.includes(condition)
}
