/** Sizes that client and server of the benches agree on, in bytes. */
export const REQUEST_BYTES = 100
export const RESPONSE_BYTES = 1024
export const BULK_CHUNK_BYTES: number = 256 * 1024

/** What `client.ts` prints as one line of JSON. */
export interface LoadResult {
  /** Completed in the measured time. */
  readonly count: number
  /** Completed at all, warm-up included: what CPU is divided by. */
  readonly totalCount: number
  readonly seconds: number
  readonly errors: number
  /** Payload bytes in the measured time, and at all. */
  readonly bytes: number
  readonly totalBytes: number
  /** Latency in µs; for `rate` from the time at which the request was due. */
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly p999Us: number
}
