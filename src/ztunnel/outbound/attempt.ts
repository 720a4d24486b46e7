import { MeshError } from '#shared/errors'
import type { Cancellation } from '#shared/lifecycle'
import type { MeshView } from '#shared/mesh-state'
import { type Service, serviceKey } from '#shared/model'
import type { PodWork } from '../capture/index.ts'
import type { ReachingPlan, SettledPlan } from './types.ts'

/** No further endpoint is tried once a connection has waited for this long. */
export const RETRY_WINDOW_MS = 10_000

/**
 * A connection that is being made and may yet be made to another endpoint. It has no books: those are opened for the
 * endpoint that it ends at. Its pod ends it as it ends connections.
 */
export class Attempt implements PodWork, Cancellation {
  seat = -1
  onCancelled: (() => void) | undefined
  #cutBy: Parameters<PodWork['cut']>[0] | undefined

  get isCancelled(): boolean {
    return this.#cutBy !== undefined
  }

  get cutBy(): Parameters<PodWork['cut']>[0] | undefined {
    return this.#cutBy
  }

  cut(reason: Parameters<PodWork['cut']>[0]): void {
    this.#cutBy ??= reason
    this.onCancelled?.()
  }
}

/** Whether the hop is one of several, so that another could be picked in its place. */
export function hasAlternatives(view: MeshView, { hopService }: { readonly hopService: Service | undefined }): boolean {
  return hopService !== undefined && view.endpoints(serviceKey(hopService)).length > 1
}

/**
 * Whether nothing of the connection can have reached an application: the dial or the hand-shake failed, the peer was
 * somebody else, or a CONNECT was lost without any answer. What was answered is final, whatever the answer.
 */
export function maybeElsewhere(error: unknown): boolean {
  return error instanceof MeshError && ELSEWHERE.has(error.code)
}

const ELSEWHERE: ReadonlySet<string> = new Set([
  'UPSTREAM_CONNECT_FAILED',
  'UPSTREAM_CONNECT_TIMEOUT',
  'TUNNEL_HANDSHAKE_FAILED',
  'TUNNEL_HANDSHAKE_TIMEOUT',
  'TUNNEL_LOST',
  'PEER_UNVERIFIED',
])

/** A new plan that leads to a workload which has not failed yet; anything else is no alternative. */
export function isAlternative(planned: SettledPlan, failed: ReadonlySet<string>): planned is ReachingPlan {
  if (planned.kind === 'refuse') return false
  const { workload } = planned.destination
  return workload !== undefined && !failed.has(workload.uid)
}
