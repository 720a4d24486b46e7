/** What a probe's answers come to, after its thresholds. */
export type ProbeResult = 'unknown' | 'success' | 'failure'

export interface ProbeCount {
  readonly result: ProbeResult
  /** Answers in a row that say otherwise than `result`, and all alike. */
  readonly against: { readonly isSuccess: boolean; readonly count: number }
}

/** Before anything was asked: a container is alive until it fails, and not ready until it succeeds (Kubernetes). */
export function firstCount(result: ProbeResult): ProbeCount {
  return { result, against: { isSuccess: true, count: 0 } }
}

/** One more answer. */
export function countAnswer(
  { result, against }: ProbeCount,
  isSuccess: boolean,
  thresholds: { readonly successThreshold: number; readonly failureThreshold: number },
): ProbeCount {
  const said = isSuccess ? 'success' : 'failure'
  if (said === result) return firstCount(result)
  const count = against.isSuccess === isSuccess ? against.count + 1 : 1
  const needed = isSuccess ? thresholds.successThreshold : thresholds.failureThreshold
  return count < needed ? { result, against: { isSuccess, count } } : firstCount(said)
}
