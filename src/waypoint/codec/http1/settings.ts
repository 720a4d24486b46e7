/** Bounds of one side of HTTP/1.1. Times in ms, sizes in bytes. */
export interface Http1Settings {
  /** Of a message's head, its empty line included; a longer one is answered with 431. */
  readonly maxHeadBytes: number
  /** Field lines of a head; the same holds for trailers. */
  readonly maxFields: number
  /** A head, once begun, must end within this time. */
  readonly headTimeoutMs: number
  /** A body of which nothing comes for this long is given up; 0 = never. */
  readonly bodyIdleTimeoutMs: number
  /** A kept-alive connection without a request is closed after this time. */
  readonly idleTimeoutMs: number
}

/** Envoy's: 60 KiB, 100 fields, an hour for idle connections; the head's time-out is Node's, as Envoy has none. */
export const DEFAULT_HTTP1: Http1Settings = {
  maxHeadBytes: 60 * 1024,
  maxFields: 100,
  headTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 300_000,
  idleTimeoutMs: 3_600_000,
}
