import type { Clock, Timer } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import { trimHeap } from '#shared/sys'

/** A burst is over when its memory is given back, and the next one has to fetch it again. */
const TRIM_EVERY_MS = 15_000

/** Part of the time that the event loop had work, above which connections would wait for the trimming: some 10 ms. */
const BUSY = 0.25

/** How often it waits for a quieter time in a row; a minute is what memory may stay up under steady load. */
const MAX_POSTPONED = 3

/** What memory is given back by, and when. */
export interface HeapTrimming {
  /** Part of the time since the last call in which the event loop had work, 0 to 1. */
  readonly utilization: () => number
  /** False where there is no such thing. */
  readonly trim: () => boolean
}

/** Gives freed memory back from time to time, for as long as the process lives or until it is closed. */
export function keepHeapTrimmed(clock: Clock, { utilization, trim }: HeapTrimming = ofThisProcess()): Closer {
  let postponed = 0
  let timer: Timer | undefined
  const look = (): void => {
    if (utilization() > BUSY && postponed < MAX_POSTPONED) postponed++
    else if (trim()) postponed = 0
    else return
    timer = clock.setTimer(TRIM_EVERY_MS, look)
  }
  timer = clock.setTimer(TRIM_EVERY_MS, look)
  return {
    async close() {
      timer?.cancel()
    },
  }
}

function ofThisProcess(): HeapTrimming {
  let last = performance.eventLoopUtilization()
  const utilization = (): number => {
    const now = performance.eventLoopUtilization()
    const since = performance.eventLoopUtilization(now, last)
    last = now
    return since.utilization
  }
  return { utilization, trim: trimHeap }
}
