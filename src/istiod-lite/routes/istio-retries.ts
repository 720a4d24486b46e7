import type { IstioRetries } from '#shared/k8s'
import { backoffOf, DEFAULT_RETRY, RETRY_CONDITIONS, type RetryCondition, type RetryPolicy } from '#shared/l7'
import type { Find } from './findings.ts'

const CONDITIONS: ReadonlySet<string> = new Set(RETRY_CONDITIONS)

/** Nothing said is the default; no attempts are none; numbers among the words are statuses (d.4 "retries"). */
export function istioRetries(retries: IstioRetries | undefined, path: string, find: Find): RetryPolicy | undefined {
  if (retries === undefined) return DEFAULT_RETRY
  if (retries.attempts === 0) return undefined
  const words = retries.retryOn
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
  const statusCodes = words.filter((word) => /^[1-5]\d\d$/.test(word)).map(Number)
  const on = words.filter((word): word is RetryCondition => CONDITIONS.has(word))
  for (const word of words) {
    if (CONDITIONS.has(word) || /^[1-5]\d\d$/.test(word)) continue
    find({ path: `${path}.retryOn`, reason: 'UnsupportedValue', message: `${word.slice(0, 40)} is no reason to retry` })
  }
  const isByStatus = statusCodes.length > 0 && !on.includes('retriable-status-codes')
  return {
    attempts: retries.attempts,
    on: words.length === 0 ? DEFAULT_RETRY.on : isByStatus ? [...on, 'retriable-status-codes'] : on,
    statusCodes,
    perTryTimeoutMs: retries.perTryTimeoutMs || undefined,
    backoff: backoffOf(retries.backoffMs),
    avoidsPreviousHosts: retries.retryIgnorePreviousHosts ?? true,
    usesRemoteLocalities: retries.retryRemoteLocalities,
  }
}
