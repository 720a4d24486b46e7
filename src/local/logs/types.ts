import type { Readable } from 'node:stream'

export type OutputStream = 'stdout' | 'stderr'

/** What of a log is asked for; the query of `kubectl logs`. */
export interface LogQuery {
  readonly follow: boolean
  /** Of the run before the last one. */
  readonly previous: boolean
  /** Each line begins with its time. */
  readonly timestamps: boolean
  readonly tailLines: number | undefined
  readonly limitBytes: number | undefined
  /** Lines from then on; epoch ms. */
  readonly sinceMs: number | undefined
}

/**
 * Takes bytes as a process writes them. A promise holds the process back until it settles; it never rejects.
 */
export type OutputListener = (stream: OutputStream, bytes: Buffer) => Promise<void> | undefined

/**
 * The log of one container, over all runs of its process, kept on disk with the time and stream of each line
 * (the CRI log format: `<RFC 3339 nanoseconds> stdout|stderr F|P <text>`), rotated by size.
 */
export interface ContainerLog {
  /**
   * Takes what one run of the process writes until both outputs end; resolves when all of it is on disk. Never rejects:
   * what the disk does not take is dropped and told to the logger, so that the process goes on.
   * A slow disk holds the process back, as its pipe fills.
   * @param run `restartCount` of Kubernetes: 0 for the first
   * @param stderr undefined with a terminal, which has one output
   */
  capture(run: number, stdout: Readable, stderr: Readable | undefined): Promise<void>
  /**
   * What `kubectl logs` asks for, of the last run or the one before. Ends by itself; when it follows, then with the run
   * that it reads, or when this is closed. Ends at once when `signal` aborts.
   */
  read(request: LogQuery, signal: AbortSignal): Readable
  /**
   * Bytes as they come from now on, for `attach`.
   * @param runEnded when a run has written all that it will
   * @returns a function that ends it
   */
  follow(listener: OutputListener, runEnded?: () => void): () => void
  /** Ends readers that follow; the files stay. Safe to call twice. */
  close(): Promise<void>
}
