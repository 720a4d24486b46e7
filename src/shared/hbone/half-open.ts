import type { Clock, Timer } from '#shared/clock'
import type { StreamPump } from './types.ts'

/** Looks within one time-out: what is ended has been silent for it, and for at most a quarter more. */
const LOOKS = 4

/**
 * Ends a tunnelled connection of which one side has said its last word and the other says nothing for `timeoutMs`. It
 * looks at the pump's counts now and then, so that carrying bytes costs nothing.
 *
 * @returns stops looking; to be called when the pump is done
 */
export function endWhenHalfOpen(pump: StreamPump, clock: Clock, timeoutMs: number): () => void {
  let silentSinceMs: number | undefined
  let carried = 0
  let timer: Timer
  const look = (): void => {
    const nowMs = clock.monotonicMs()
    const total = pump.meter.sentBytes + pump.meter.receivedBytes
    if (!pump.isHalfOpen) silentSinceMs = undefined
    else if (silentSinceMs === undefined || total !== carried) silentSinceMs = nowMs
    else if (nowMs - silentSinceMs >= timeoutMs) {
      pump.abort()
      return
    }
    carried = total
    timer = clock.setTimer(timeoutMs / LOOKS, look)
  }
  timer = clock.setTimer(timeoutMs / LOOKS, look)
  return () => timer.cancel()
}
