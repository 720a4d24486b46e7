/**
 * A wish to stop that may come at any time. Whoever waits now puts its way to give up into the only slot, and empties
 * it when it waits no more: each connection has several waits, one after the other, and an AbortSignal with its
 * listeners would cost more than the rest of a wait (bench/NOTES.md).
 */
export interface Cancellation {
  /** To be asked before each wait, as the slot is told only of what comes while it is filled. */
  readonly isCancelled: boolean
  onCancelled: (() => void) | undefined
}

/** A cancellation that its owner makes come true, once. */
export class Canceller implements Cancellation {
  #isCancelled = false
  onCancelled: (() => void) | undefined

  get isCancelled(): boolean {
    return this.#isCancelled
  }

  cancel(): void {
    if (this.#isCancelled) return
    this.#isCancelled = true
    this.onCancelled?.()
  }
}
