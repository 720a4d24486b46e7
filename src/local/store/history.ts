import { keyText } from './object-tables.ts'
import type { Revision, StoredObject, StoreEvent } from './types.ts'

/** The last events, each one revision after the one before, in a ring. */
export class History {
  readonly #capacity: number
  readonly #ring: StoreEvent[] = []
  /** Where the oldest is once the ring is full. */
  #oldest = 0
  #last: Revision

  /** @param last the revision behind which events come */
  constructor(capacity: number, last: Revision) {
    this.#capacity = capacity
    this.#last = last
  }

  /** Revisions at and behind which everything is known. */
  get knownFrom(): Revision {
    return this.#last - this.#ring.length
  }

  push(event: StoreEvent): void {
    this.#last = event.stored.revision
    if (this.#ring.length < this.#capacity) {
      this.#ring.push(event)
      return
    }
    this.#ring[this.#oldest] = event
    this.#oldest = (this.#oldest + 1) % this.#capacity
  }

  /** Nothing before `revision` is known any more. */
  restartAt(revision: Revision): void {
    this.#ring.length = 0
    this.#oldest = 0
    this.#last = revision
  }

  /** Events behind `from`, up to and with `to`; undefined when they are no longer all known. */
  between(from: Revision, to: Revision): StoreEvent[] | undefined {
    if (from < this.knownFrom) return undefined
    const events: StoreEvent[] = []
    for (let revision = from + 1; revision <= to; revision++) {
      const event = this.#at(revision)
      if (event !== undefined) events.push(event)
    }
    return events
  }

  /**
   * Objects of a resource as of `at`, from those of now, by undoing what came since; undefined when too old.
   *
   * @param now sorted; so is the result
   */
  asOf(at: Revision, resource: string, now: readonly StoredObject[]): StoredObject[] | undefined {
    if (at < this.knownFrom || at > this.#last) return undefined
    const objects = new Map(now.map((stored) => [keyText(stored.key.namespace, stored.key.name), stored]))
    let hasOtherKeys = false
    for (let revision = this.#last; revision > at; revision--) {
      const event = this.#at(revision)
      if (event === undefined || event.stored.key.resource !== resource) continue
      const key = keyText(event.stored.key.namespace, event.stored.key.name)
      if (event.previous === undefined) objects.delete(key)
      else objects.set(key, event.previous)
      if (event.kind === 'deleted') hasOtherKeys = true
    }
    const entries = [...objects]
    if (hasOtherKeys) entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return entries.map(([, stored]) => stored)
  }

  #at(revision: Revision): StoreEvent | undefined {
    const index = revision - this.knownFrom - 1
    return this.#ring[(this.#oldest + index) % this.#ring.length]
  }
}
