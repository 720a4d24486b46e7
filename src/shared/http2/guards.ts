import type { Clock } from '#shared/clock'
import { connectionError } from './h2-error.ts'
import { TokenBucket } from './token-bucket.ts'
import { H2ErrorCode, type H2Limits } from './types.ts'

/** DATA bytes that entitle the peer to one WINDOW_UPDATE more, besides the two that every DATA frame does. */
const BYTES_PER_WINDOW_UPDATE = 4096

/** Kinds of frames that cost us more than the peer, each with a bucket of its own. */
export type GuardedKind = 'reset' | 'ping' | 'settings' | 'emptyData' | 'windowUpdate' | 'ignored'

/**
 * Counts what a peer may do too often; over the limit the connection ends with ENHANCE_YOUR_CALM.
 *
 * `reset` holds both kinds of stream reset: the peer's own before our answer was on the wire ("rapid reset"), and
 * those that it makes us send by malformed frames ("made you reset"), as either costs us a whole request.
 */
export class Guards {
  readonly #buckets: Readonly<Record<GuardedKind, TokenBucket>>
  /** Window updates earned by DATA but not yet granted: kept as a number so that sending touches no bucket. */
  #earnedUpdates = 0

  constructor(limits: H2Limits, clock: Clock) {
    this.#buckets = {
      reset: new TokenBucket(clock, limits.resetsPerSecond),
      ping: new TokenBucket(clock, limits.pingsPerSecond),
      settings: new TokenBucket(clock, limits.settingsPerSecond),
      emptyData: new TokenBucket(clock, limits.emptyDataPerSecond),
      windowUpdate: new TokenBucket(clock, limits.windowUpdatesPerSecond),
      ignored: new TokenBucket(clock, limits.ignoredFramesPerSecond),
    }
  }

  /** @throws H2Error of the connection, when it is one too many */
  count(kind: GuardedKind): void {
    if (kind === 'windowUpdate') {
      this.#buckets.windowUpdate.grant(Math.floor(this.#earnedUpdates))
      this.#earnedUpdates = 0
    }
    if (this.#buckets[kind].take()) return
    throw connectionError(H2ErrorCode.ENHANCE_YOUR_CALM, `too many frames a second: ${kind}`)
  }

  /** Bulk transfers earn their window updates, so that only idle ones are limited by time. */
  onDataSent(bytes: number): void {
    this.#earnedUpdates += 2 + bytes / BYTES_PER_WINDOW_UPDATE
  }
}
