/** The times of a lease. Only their order makes it safe: `rightMs` + `writeTimeoutMs` < `durationMs`. */
export interface LeaseTimes {
  /** A lease that nobody has renewed for so long may be taken. */
  readonly durationMs: number
  /** Between two looks at the lease, or two renewals. */
  readonly retryMs: number
  /** Writes may begin for so long after a renewal was sent. */
  readonly rightMs: number
  /** The longest that a write may take. */
  readonly writeTimeoutMs: number
}

/**
 * From the duration alone, in the proportions of Kubernetes' own controllers (15 s: renewed every 2 s, held for 10 s). Of
 * what is left after the right ends and the last write has timed out, a fifteenth is for clocks that run at other speeds.
 */
export function leaseTimes(durationMs: number): LeaseTimes {
  return {
    durationMs,
    retryMs: (durationMs * 2) / 15,
    rightMs: (durationMs * 10) / 15,
    writeTimeoutMs: (durationMs * 4) / 15,
  }
}
