import type { Cancellation } from '#shared/lifecycle'
import type { SocketAddress } from '#shared/net'
import type { Picked } from '../balance/index.ts'
import type { Exchange, LocalReply, RequestHead, UpstreamExchange, UpstreamResponse } from '../codec/index.ts'
import type { RouteMatch } from '../route/index.ts'

/**
 * Sends the head to that endpoint, on a pooled connection or a new one. At once where a connection is there, so that
 * nothing waits for nothing. A cancelled one gives up what it waits for.
 *
 * @throws MeshError with `retry: 'unsent'` where nothing of the request has been sent
 */
export type SendOnce = (
  to: Picked,
  request: RequestHead,
  lengthBytes: number | undefined,
  cancellation: Cancellation,
) => UpstreamExchange | Promise<UpstreamExchange>

/** A request that is to be answered by somebody. */
export interface Asked {
  readonly exchange: Exchange
  readonly to: RouteMatch
  /** PASSTHROUGH: the address that the client dialled. */
  readonly dialled: SocketAddress | undefined
  /** The client has gone: nothing more is tried, and what is under way ends. */
  readonly cancellation: Cancellation
  readonly course: Course
}

/** Why the last attempt was not followed by another one, although its failure was of a kind that is tried again. */
export type RetryStop =
  /** As many as the policy allows. */
  | 'exhausted'
  /** The budget of the cluster. */
  | 'budget'
  /** Somebody before us tries again: `attempt-count.ts`. */
  | 'outer-hop'
  /** The next one could not have begun before the deadline. */
  | 'deadline'
  /** More of the body has gone out than is kept. */
  | 'body'

/** What became of the attempts of one request, for logs, metrics and spans; filled in as they go. */
export interface Course {
  attempts: number
  /** The last one that was chosen. */
  picked: Picked | undefined
  retryStop: RetryStop | undefined
  /** Monotonic, of the last attempt. */
  sentAtMs: number | undefined
  answeredAtMs: number | undefined
}

export function newCourse(): Course {
  return { attempts: 0, picked: undefined, retryStop: undefined, sentAtMs: undefined, answeredAtMs: undefined }
}

export interface Answer {
  readonly kind: 'answered'
  readonly response: UpstreamResponse
  readonly setCookie: string | undefined
}

export type Attempted = Answer | LocalReply
