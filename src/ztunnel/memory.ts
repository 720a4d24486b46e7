import type { Clock, Timer } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import { trimHeap } from '#shared/sys'

/** A burst is over when its memory is given back, and the next one has to fetch it again. */
const TRIM_EVERY_MS = 15_000

/** Gives freed memory back from time to time, for as long as the process lives or until it is closed. */
export function keepHeapTrimmed(clock: Clock): Closer {
  let timer: Timer | undefined
  const trim = (): void => {
    if (trimHeap()) timer = clock.setTimer(TRIM_EVERY_MS, trim)
  }
  timer = clock.setTimer(TRIM_EVERY_MS, trim)
  return {
    async close() {
      timer?.cancel()
    },
  }
}
