import type { Revision, StoreEvent, StoreWatch, WatchQuery } from './types.ts'

interface Watcher {
  readonly namespace: string | undefined
  readonly listener: (event: StoreEvent) => void
  /** Events up to this revision are known to the watcher. */
  seen: Revision
}

/** Who wants to know of which resource's changes. */
export class Watches {
  /** By resource; undefined: every one. */
  readonly #watchers = new Map<string | undefined, Set<Watcher>>()

  /** @param past events behind `query.from` that are durable already */
  add(query: WatchQuery, past: readonly StoreEvent[], listener: (event: StoreEvent) => void): StoreWatch {
    const watcher: Watcher = { namespace: query.namespace, listener, seen: query.from }
    let ofResource = this.#watchers.get(query.resource)
    if (ofResource === undefined) {
      ofResource = new Set()
      this.#watchers.set(query.resource, ofResource)
    }
    ofResource.add(watcher)
    for (const event of past)
      if (query.resource === undefined || query.resource === event.stored.key.resource) deliver(event, watcher)
    return {
      stop: () => {
        watcher.seen = Number.POSITIVE_INFINITY
        this.#watchers.get(query.resource)?.delete(watcher)
      },
    }
  }

  publish(event: StoreEvent): void {
    for (const resource of [event.stored.key.resource, undefined])
      for (const watcher of this.#watchers.get(resource) ?? []) deliver(event, watcher)
  }
}

function deliver(event: StoreEvent, watcher: Watcher): void {
  const { key, revision } = event.stored
  if (revision <= watcher.seen) return
  watcher.seen = revision
  if (watcher.namespace === undefined || watcher.namespace === key.namespace) watcher.listener(event)
}
