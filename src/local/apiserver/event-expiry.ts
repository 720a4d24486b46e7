import type { Clock, Timer } from '#shared/clock'
import type { ApiObject, ObjectAccess } from './types.ts'

/** As long as kube-apiserver keeps them by default. */
const EVENT_LIFE_MS = 60 * 60_000
const SWEEP_MS = 60_000

/** Deletes Events that nobody has seen happen again for an hour; without that they would fill the store. */
export class EventExpiry {
  readonly #access: ObjectAccess
  readonly #clock: Clock
  #timer: Timer | undefined

  constructor(access: ObjectAccess, clock: Clock) {
    this.#access = access
    this.#clock = clock
    this.#schedule()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(SWEEP_MS, () => {
      this.#sweep()
      this.#schedule()
    })
  }

  #sweep(): void {
    const oldest = this.#clock.nowMs() - EVENT_LIFE_MS
    const { items } = this.#access.list({ group: '', resource: 'events', namespace: '' })
    for (const { metadata } of items.filter((event) => lastSeenMs(event) < oldest)) {
      const { name, namespace = '', uid } = metadata
      // Gone already, or the store is closed: the next sweep, or nobody, will see it.
      this.#access
        .delete({ group: '', resource: 'events', namespace, name }, { preconditions: { uid } })
        .catch(() => undefined)
    }
  }
}

function lastSeenMs({ metadata, lastTimestamp, eventTime, series }: ApiObject): number {
  const { lastObservedTime } = (series ?? {}) as { readonly lastObservedTime?: unknown }
  const times = [metadata.creationTimestamp, lastTimestamp, eventTime, lastObservedTime]
  return Math.max(...times.map((time) => (typeof time === 'string' ? Date.parse(time) || 0 : 0)))
}
