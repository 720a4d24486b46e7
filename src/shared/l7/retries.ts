/** Classes of failures that may be tried again, with Envoy's names. */
export const RETRY_CONDITIONS = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const

export type RetryCondition = (typeof RETRY_CONDITIONS)[number]

export interface RetryPolicy {
  /** Attempts after the first; at least 1. */
  readonly attempts: number
  readonly on: readonly RetryCondition[]
  /** Statuses that `retriable-status-codes` means. */
  readonly statusCodes: readonly number[]
  /** Undefined = only the rule's own limit. */
  readonly perTryTimeoutMs: number | undefined
  /** Waits between attempts grow from `baseMs` to `longestMs`, with jitter. */
  readonly backoff: { readonly baseMs: number; readonly longestMs: number }
  /** Rather another endpoint than one that has failed; where a hash chooses, that choice stays (d.4 "retries"). */
  readonly avoidsPreviousHosts: boolean
  /** Endpoints of other localities, too, from the first retry on. */
  readonly usesRemoteLocalities: boolean
}

const BACKOFF_BASE_MS = 25
/** Envoy's: the longest wait is ten times the first. */
const LONGEST_BACKOFF_FACTOR = 10

export function backoffOf(baseMs: number = BACKOFF_BASE_MS): RetryPolicy['backoff'] {
  return { baseMs, longestMs: baseMs * LONGEST_BACKOFF_FACTOR }
}

/** What holds where no route says otherwise, also on a port without any route (istio-control-plane d.4). */
export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 2,
  on: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'],
  statusCodes: [],
  perTryTimeoutMs: undefined,
  backoff: backoffOf(),
  avoidsPreviousHosts: true,
  usesRemoteLocalities: false,
}
