import type { Clock } from '#shared/clock'

/** As long as a client waits before it tries again, and a little. */
const GRACE_MS = 20_000
const MAX_REMEMBERED = 1_000

/** Clients that left a moment ago: they hold what they were sent last, and may be about to come back. */
export class Departures {
  readonly #clock: Clock
  /** By node id, oldest first. */
  readonly #left = new Map<string, { readonly atMs: number; readonly push: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param push up to which it has everything */
  left(nodeId: string, push: number): void {
    this.#left.delete(nodeId)
    this.#left.set(nodeId, { atMs: this.#clock.monotonicMs(), push })
    const [oldest] = this.#left.keys()
    if (this.#left.size > MAX_REMEMBERED && oldest !== undefined) this.#left.delete(oldest)
  }

  returned(nodeId: string): void {
    this.#left.delete(nodeId)
  }

  /** Who ran in that pod does not come back. @returns whether somebody was missed */
  podGone(namespace: string, name: string): boolean {
    const gone = [...this.#left.keys()].filter((nodeId) => nodeId.split('~')[2] === `${name}.${namespace}`)
    for (const nodeId of gone) this.#left.delete(nodeId)
    return gone.length > 0
  }

  /** Node ids of those that did not have that push when they left. */
  without(push: number): readonly string[] {
    const sinceMs = this.#clock.monotonicMs() - GRACE_MS
    for (const [nodeId, { atMs }] of this.#left) if (atMs < sinceMs) this.#left.delete(nodeId)
    return [...this.#left].flatMap(([nodeId, has]) => (has.push < push ? [nodeId] : []))
  }
}
