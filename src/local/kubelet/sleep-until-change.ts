import { type Clock, sleep } from '#shared/clock'

/** Calls back when something changes that may have been missing. @returns the end of it */
export type Follow = (changed: () => void) => () => void

/** Waits `ms`, or until `follow` tells of a change. @throws the signal's reason */
export async function sleepUntilChange(clock: Clock, ms: number, follow: Follow, signal: AbortSignal): Promise<void> {
  const changed = new AbortController()
  const unfollow = follow(() => changed.abort())
  try {
    await sleep(clock, ms, AbortSignal.any([signal, changed.signal]))
  } catch {
    signal.throwIfAborted()
  } finally {
    unfollow()
  }
}
