import type { SpiffeId } from '#shared/model'

/** Lower is sooner: a connection waits; a pod came; half of a life has passed, or a fetch failed. */
export const priorities = { realTime: 0, warmUp: 1, background: 2 } as const

export type Priority = (typeof priorities)[keyof typeof priorities]

interface Place {
  readonly id: SpiffeId
  readonly priority: Priority
  readonly dueAtMs: number
}

/** Fetches in flight, and how many of them may be for nobody who waits: a slow CA must not keep connections waiting. */
const MAX_IN_FLIGHT = 8
const MAX_UNHURRIED = 6

/**
 * Who is fetched for next: by priority, then by due time, then by arrival. Each identity stands in it once, so its
 * length is bounded by the identities of the node.
 */
export class FetchQueue {
  readonly #waiting = new Map<SpiffeId, Place>()
  readonly #inFlight = new Map<SpiffeId, Priority>()
  readonly #start: (id: SpiffeId) => Promise<Priority | undefined>

  /** @param start does the fetch; never rejects; gives the priority of another one that is wanted at once */
  constructor(start: (id: SpiffeId) => Promise<Priority | undefined>) {
    this.#start = start
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  get inFlightCount(): number {
    return this.#inFlight.size
  }

  /** Queues a fetch, or gives one that waits a higher priority; one that is in flight is left alone. */
  add(id: SpiffeId, priority: Priority, dueAtMs: number): void {
    if (this.#inFlight.has(id)) return
    const known = this.#waiting.get(id)
    if (known !== undefined && known.priority <= priority) return
    this.#waiting.set(id, { id, priority, dueAtMs })
    this.#fill()
  }

  remove(id: SpiffeId): void {
    this.#waiting.delete(id)
  }

  #fill(): void {
    while (this.#inFlight.size < MAX_IN_FLIGHT) {
      const next = this.#next()
      if (next === undefined) return
      this.#waiting.delete(next.id)
      this.#inFlight.set(next.id, next.priority)
      void this.#start(next.id).then((again) => {
        this.#inFlight.delete(next.id)
        if (again !== undefined) this.add(next.id, again, next.dueAtMs)
        this.#fill()
      })
    }
  }

  #next(): Place | undefined {
    const unhurried = [...this.#inFlight.values()].filter((priority) => priority !== priorities.realTime).length
    let best: Place | undefined
    for (const place of this.#waiting.values()) {
      if (place.priority !== priorities.realTime && unhurried >= MAX_UNHURRIED) continue
      if (best === undefined || isBefore(place, best)) best = place
    }
    return best
  }
}

function isBefore(a: Place, b: Place): boolean {
  return a.priority === b.priority ? a.dueAtMs < b.dueAtMs : a.priority < b.priority
}
