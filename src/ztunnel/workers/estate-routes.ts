import { closeSync } from 'node:fs'
import type { Clock } from '#shared/clock'
import type { Logger } from '#shared/telemetry'
import { successorAt, type TakeEstate } from '../succession/index.ts'

/** Where a worker takes connections of a tunnel that ends: beside the socket where it takes its pods. */
export function heirPathOf(zdsPath: string): string {
  return `${zdsPath}.heir`
}

/**
 * Passes what the last tunnel leaves on to the worker that has its pod.
 *
 * @param heirPath of the worker that serves a pod; undefined = none does
 */
export function toWorkers(heirPath: (podUid: string) => string | undefined, clock: Clock, log: Logger): TakeEstate {
  return async (estate, opener, target) => {
    const path = heirPath(estate.podUid)
    // A way of its own for each: it is cheap, and a worker that was started anew is found again.
    const worker = path === undefined ? undefined : successorAt(path, clock, log)
    if (worker === undefined) return false
    try {
      if (!(await worker.leave(estate, opener, target))) return false
    } finally {
      await worker.close()
    }
    // The worker has its own.
    closeSync(opener)
    closeSync(target)
    return true
  }
}
