import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'

/** The API server said no. */
export class KubeApiError extends MeshError {
  override readonly name: string = 'KubeApiError'
  /** HTTP status, or the `code` of an ERROR event. */
  readonly status: number
  /** Kubernetes' word for it: `NotFound`, `Conflict`, `Expired`…; empty when the server gave none. */
  readonly reason: string
  /** How long the server asks to be left alone. */
  readonly retryAfterMs: number

  constructor(message: string, status: number, reason: string, retryAfterMs: number) {
    super('KUBE_API_REFUSED', message)
    this.status = status
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }
}

/** Longest message of a server that is passed on. */
const MAX_MESSAGE = 512
/** Longest wait that a server may ask for. */
const MAX_RETRY_AFTER_S = 60

/**
 * Reads a `Status` object, or whatever else a server, or a proxy before it, answered with.
 *
 * @param what the request: `GET /api/v1/pods`
 * @param retryAfter the `Retry-After` header
 */
export function refusal(what: string, status: number, body: unknown, retryAfter: string | undefined): KubeApiError {
  const record = isRecord(body) ? body : {}
  const { message, reason, details } = record
  const asked = isRecord(details) ? details.retryAfterSeconds : undefined
  const seconds = Math.max(secondsOf(asked), secondsOf(Number(retryAfter)))
  const said = typeof message === 'string' && message !== '' ? `: ${message.slice(0, MAX_MESSAGE)}` : ''
  return new KubeApiError(
    `${what} was answered with ${status}${said}`,
    status,
    typeof reason === 'string' ? reason : '',
    seconds * 1000,
  )
}

function secondsOf(given: unknown): number {
  return typeof given === 'number' && given > 0 ? Math.min(given, MAX_RETRY_AFTER_S) : 0
}

export function isStatus(error: unknown, ...statuses: readonly number[]): error is KubeApiError {
  return error instanceof KubeApiError && statuses.includes(error.status)
}
