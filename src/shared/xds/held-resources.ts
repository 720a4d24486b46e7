import { MeshError, reasonOf } from '#shared/errors'
import type { DeltaRequest, DeltaResponse, NodeMessage } from './messages.ts'
import type { Rejection, ResourceUpdate, Subscription } from './types.ts'

interface Waiter {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** Names that may be asked for at the same time; each is a pending connection of some pod. */
const MAX_WAITERS = 10_000

/**
 * Resources of one response that are looked at although they cannot be read. Each costs some 30 µs, most of it for its
 * error, and nothing else runs meanwhile; a control plane with so many has a fault of its own.
 */
const MAX_UNREADABLE = 10_000

/** What the client holds of one type, over all its streams; speaks delta xDS for it (hbone-and-ztunnel a.3). */
export class HeldResources {
  readonly subscription: Subscription<unknown>
  /** Name → version of every resource held; demanded ones that have not come yet have the version ''. */
  readonly #versions = new Map<string, string>()
  /** Names of those whose stand-in is applied, as no good one has come yet. */
  readonly #standIns = new Set<string>()
  readonly #waiters = new Map<string, Waiter>()
  readonly #onIgnored: (field: string) => void
  #isSynced: boolean

  /** @param onIgnored told of each field that is left out because it is not known; of the same one again and again */
  constructor(subscription: Subscription<unknown>, onIgnored: (field: string) => void = () => {}) {
    this.subscription = subscription
    this.#onIgnored = onIgnored
    this.#isSynced = subscription.mode === 'on-demand'
  }

  get typeUrl(): string {
    return this.subscription.type.typeUrl
  }

  /** A wildcard type has had one response that was taken whole, be it by stand-ins; on demand there is nothing to wait for. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  /** The first request of a stream; the only one that says who we are. */
  initialRequest(node: NodeMessage): Partial<DeltaRequest> {
    // Subscribing to everything and unsubscribing at once = to nothing yet.
    const nothing = this.subscription.mode === 'on-demand' ? ['*'] : []
    return {
      node,
      typeUrl: this.typeUrl,
      resourceNamesSubscribe: nothing,
      resourceNamesUnsubscribe: nothing,
      initialResourceVersions: Object.fromEntries(this.#versions),
    }
  }

  /** Applies what is good of a response. @returns what was not, for the acknowledgement */
  take(response: DeltaResponse): readonly Rejection[] {
    const { changed, standIns, rejected } = this.#decode(response)
    const update = { changed: [...changed, ...standIns], removed: response.removedResources }
    const unapplied = this.#apply(update)
    const rejections = [...unapplied, ...rejected]
    const refused = new Set(rejections.map((rejection) => rejection.name))
    for (const { name, version } of changed) {
      if (refused.has(name)) continue
      this.#versions.set(name, version)
      this.#standIns.delete(name)
    }
    const notApplied = new Set(unapplied.map(({ name }) => name))
    for (const { name, version } of standIns) {
      if (notApplied.has(name)) continue
      // Named to the next stream too, which so tells when it is removed, but in no version that was taken.
      this.#versions.set(name, version)
      this.#standIns.add(name)
    }
    for (const name of response.removedResources) {
      this.#versions.delete(name)
      this.#standIns.delete(name)
    }
    if (rejections.every(({ name }) => this.#standIns.has(name))) this.#isSynced = true
    // Who is asked for by address is answered under its own name: the address is an alias of it.
    for (const { name, aliases } of response.resources) for (const each of [name, ...aliases]) this.#wake(each)
    for (const name of response.removedResources) this.#wake(name)
    return rejections
  }

  /**
   * Waits until what has that name or alias, its removal or its rejection has come.
   *
   * @returns `ask` when the name has to be put into a request now; on a later stream it goes out by itself
   */
  demand(name: string): { readonly arrived: Promise<void>; readonly ask: boolean } {
    const known = this.#waiters.get(name)
    if (known !== undefined) return { arrived: known.promise, ask: false }
    if (this.#waiters.size >= MAX_WAITERS) {
      const error = new MeshError('XDS_STREAM_LOST', `more than ${MAX_WAITERS} names are being asked for`)
      return { arrived: Promise.reject(error), ask: false }
    }
    const waiter = Promise.withResolvers<void>()
    this.#waiters.set(name, waiter)
    if (!this.#versions.has(name)) this.#versions.set(name, '')
    return { arrived: waiter.promise, ask: true }
  }

  close(error: Error): void {
    for (const waiter of this.#waiters.values()) waiter.reject(error)
    this.#waiters.clear()
  }

  #decode(response: DeltaResponse): {
    readonly changed: ResourceUpdate<unknown>['changed']
    readonly standIns: ResourceUpdate<unknown>['changed']
    readonly rejected: readonly Rejection[]
  } {
    const { type } = this.subscription
    const changed: ResourceUpdate<unknown>['changed'][number][] = []
    const standIns: ResourceUpdate<unknown>['changed'][number][] = []
    const rejected: Rejection[] = []
    for (const { name, version, resource } of response.resources) {
      if (rejected.length >= MAX_UNREADABLE) {
        rejected.push({ name, reason: `not looked at, for ${MAX_UNREADABLE} before it cannot be read` })
        continue
      }
      try {
        if (resource === null) throw new MeshError('RESOURCE_INVALID', 'it has no body')
        changed.push({ name, version, resource: type.decode(resource.value) })
        for (const field of type.ignoredFields?.(resource.value) ?? []) this.#onIgnored(field)
      } catch (error) {
        const standIn = resource === null || this.#holdsGood(name) ? undefined : type.standIn?.(resource.value)
        if (standIn === undefined) rejected.push({ name, reason: reasonOf(error) })
        else {
          standIns.push({ name, version: '', resource: standIn })
          rejected.push({ name, reason: `${reasonOf(error)}; its strictest reading counts until it can be read` })
        }
      }
    }
    if (standIns.length === 0) return { changed, standIns, rejected }
    const good = new Set(changed.map(({ name }) => name))
    return { changed, standIns: standIns.filter(({ name }) => !good.has(name)), rejected }
  }

  #holdsGood(name: string): boolean {
    return this.#versions.has(name) && !this.#standIns.has(name)
  }

  /** A handler that throws is a bug of ours; the control plane is told, and the stream goes on. */
  #apply(update: ResourceUpdate<unknown>): readonly Rejection[] {
    try {
      return this.subscription.apply(update)
    } catch (error) {
      const reason = `not applied: ${reasonOf(error)}`
      return update.changed.map(({ name }) => ({ name, reason }))
    }
  }

  #wake(name: string): void {
    this.#waiters.get(name)?.resolve()
    this.#waiters.delete(name)
  }
}
