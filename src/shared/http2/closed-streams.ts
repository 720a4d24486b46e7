/** Who reset a stream that frames may still come for. */
export type ResetBy = 'us' | 'peer'

/**
 * Remembers which streams were reset, because a frame that was under way then is treated otherwise than one for a
 * stream that had ended (RFC 9113 §5.1 "closed"). Bounded: the oldest is forgotten, and everything up to its id is
 * then treated leniently.
 */
export class ClosedStreams {
  readonly #resets = new Map<number, ResetBy>()
  readonly #capacity: number
  #forgottenUpTo = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  rememberReset(streamId: number, by: ResetBy): void {
    this.#resets.set(streamId, by)
    if (this.#resets.size <= this.#capacity) return
    const oldest = this.#resets.keys().next().value as number
    this.#resets.delete(oldest)
    if (oldest > this.#forgottenUpTo) this.#forgottenUpTo = oldest
  }

  /** How a stream that is not open any more has ended; `forgotten` when that is not known. */
  whyClosed(streamId: number): ResetBy | 'ended' | 'forgotten' {
    const by = this.#resets.get(streamId)
    if (by !== undefined) return by
    return streamId <= this.#forgottenUpTo ? 'forgotten' : 'ended'
  }
}
