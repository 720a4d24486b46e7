/** A timer that was set; cancelling twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void
}

/** The only source of time and randomness, so that tests can turn it. */
export interface Clock {
  /** Wall clock, ms since the epoch. */
  nowMs(): number
  /** Never goes back; ms since an arbitrary point, with fractions. */
  monotonicMs(): number
  /** Calls `fire` once after `delayMs`; does not keep the process alive unless `keepAlive`. */
  setTimer(delayMs: number, fire: () => void, keepAlive?: boolean): Timer
  /** Uniform in [0, 1). */
  random(): number
}

/** The longest delay that setTimeout takes; longer ones fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, fire, keepAlive = false) {
    const timeout = setTimeout(fire, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS))
    if (!keepAlive) timeout.unref()
    return { cancel: () => clearTimeout(timeout) }
  },
  random: () => Math.random(),
}

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const timer = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
