import { conditionOf } from './conditions.ts'
import { isDeleting } from './kinds.ts'
import type { Pod } from './shapes.ts'

/** Has ended for good. */
export function isFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

/** Counts as a replica: neither ended nor on its way out. */
export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && !isDeleting(pod)
}

export function isReady({ status }: Pod): boolean {
  return conditionOf(status?.conditions, 'Ready')?.status === 'True'
}

/** Epoch ms; undefined when it is not ready. */
export function readySinceMs(pod: Pod): number | undefined {
  if (!isReady(pod)) return undefined
  const time = conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime
  return time === undefined ? 0 : Date.parse(time)
}

/**
 * Whether it has been ready for long enough, and otherwise when it will have been.
 *
 * @returns ms that are missing: 0 for an available pod, undefined for one that is not ready
 */
export function missingReadyMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const sinceMs = readySinceMs(pod)
  return sinceMs === undefined ? undefined : Math.max(0, sinceMs + minReadySeconds * 1000 - nowMs)
}
