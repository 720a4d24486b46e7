/** What a program has without any setting (hbone-and-ztunnel i). */
const DEFAULT_DEADLINE_MS = 5000

/**
 * How long running work may go on after the signal.
 *
 * @param terminationDeadlineMs CONNECTION_TERMINATION_DEADLINE; it wins when set
 * @param gracePeriodSeconds TERMINATION_GRACE_PERIOD_SECONDS of the pod: 5 s are kept back for the end itself, 1 s
 *   when the period is short
 */
export function drainDeadlineMs(
  terminationDeadlineMs: number | undefined,
  gracePeriodSeconds: number | undefined,
): number {
  if (terminationDeadlineMs !== undefined) return terminationDeadlineMs
  if (gracePeriodSeconds === undefined) return DEFAULT_DEADLINE_MS
  return 1000 * (gracePeriodSeconds > 10 ? gracePeriodSeconds - 5 : Math.max(gracePeriodSeconds - 1, 1))
}
