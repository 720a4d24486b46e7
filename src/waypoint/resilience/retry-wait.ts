import type { Clock } from '#shared/clock'
import type { RetryPolicy } from '#shared/l7'
import type { Fields } from '../codec/index.ts'

/** What an endpoint may ask to wait where no deadline bounds it. */
const LONGEST_ASKED_MS = 10_000

/** Past this, `x-ratelimit-reset` is a time of day rather than a number of seconds. */
const EPOCH_SECONDS = 1_000_000_000

/** RFC 9110 §5.6.7, the only form that is sent today. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/
const SECONDS = /^\d{1,10}$/

/**
 * How long to wait before a retry: a random part of a time that doubles, and never less than what the endpoint asked for.
 *
 * @param retry 1 = the first one
 * @param answer the fields of the answer that is tried again; undefined = there was none
 * @param leftMs until the deadline; undefined = there is none
 * @returns undefined when the endpoint asks for more time than there is
 */
export function waitBeforeRetryMs(
  { backoff }: RetryPolicy,
  retry: number,
  answer: Fields | undefined,
  leftMs: number | undefined,
  clock: Clock,
): number | undefined {
  const spreadMs = Math.min(backoff.baseMs * 2 ** Math.min(retry - 1, 30), backoff.longestMs)
  const ownMs = spreadMs * clock.random()
  const waitMs = Math.max(ownMs, answer === undefined ? 0 : askedMs(answer, clock.nowMs()))
  if (leftMs !== undefined) return waitMs < leftMs ? waitMs : undefined
  return waitMs <= Math.max(LONGEST_ASKED_MS, ownMs) ? waitMs : undefined
}

/** What `Retry-After` (seconds or a date) or else `x-ratelimit-reset` asks for; 0 = nothing that can be read. */
function askedMs(fields: Fields, nowMs: number): number {
  const after = fields.get('retry-after')
  if (after !== undefined) {
    if (SECONDS.test(after)) return Number(after) * 1000
    return HTTP_DATE.test(after) ? Math.max(0, (Date.parse(after) || 0) - nowMs) : 0
  }
  const reset = fields.get('x-ratelimit-reset')
  if (reset === undefined || !SECONDS.test(reset)) return 0
  const seconds = Number(reset)
  return seconds < EPOCH_SECONDS ? seconds * 1000 : Math.max(0, seconds * 1000 - nowMs)
}
