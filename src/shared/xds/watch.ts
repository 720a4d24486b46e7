import type { DeltaRequest } from './messages.ts'
import type { EncodedResource } from './types.ts'

/** Where the resources of one type come from, as one client may see them. */
export interface ResourceView {
  /** Everything that a wildcard client gets. */
  all(): Iterable<EncodedResource>
  /** The resource of exactly that name now; undefined when there is none. */
  get(name: string): EncodedResource | undefined
  /** What a name that was asked for stands for: a resource's own name or an alias; none, one or several. */
  resolve(name: string): readonly EncodedResource[]
  /** What a client gets on demand without asking. */
  isUnasked(resource: EncodedResource): boolean
}

/** What is to be sent; both lists are empty only in an answer that is owed. */
export interface Delta {
  readonly changed: readonly EncodedResource[]
  readonly removed: readonly string[]
}

/** A batch of changes that all clients are told of together. */
export interface PushMark {
  /** Counts up from 1; 0 is everything that there was when a client came. */
  readonly push: number
  /** When the first of the changes was seen, and when clients were told; monotonic. */
  readonly changedAtMs: number
  readonly toldAtMs: number
}

/** What a request means for the response that is outstanding. */
export type Acknowledgement =
  | { readonly kind: 'none' }
  | { readonly kind: 'ack'; readonly nonce: string }
  | { readonly kind: 'nack'; readonly nonce: string; readonly message: string }

/** Names one client may subscribe to or hold. */
export const MAX_NAMES = 500_000

/**
 * One client's subscription to one type: what it wants, what it holds, and which names are to be looked at again. Only
 * names wait, never resources, so that a slow client costs little and gets the newest state when its turn comes. At
 * most one response is outstanding; what changes meanwhile goes into the next one.
 */
export class Watch {
  readonly typeUrl: string
  readonly #view: ResourceView
  /** Asked for by name; a name that is an alias stays here as it was asked. */
  readonly #names = new Set<string>()
  /** Name → version of what the client holds, as far as it was sent or told. */
  readonly #held = new Map<string, string>()
  readonly #changed = new Set<string>()
  /** Asked for and not yet answered. */
  readonly #asked = new Set<string>()
  #isWildcard = false
  /** Everything has to be compared, not only the names that changed. */
  #isAnew = true
  /** The first response is sent even when it is empty. */
  #isFirst = true
  #outstanding: string | undefined
  /** The first change that waits to be sent, and the first in the response that is outstanding. */
  #waiting: PushMark | undefined
  #unanswered: PushMark | undefined

  constructor(typeUrl: string, view: ResourceView) {
    this.typeUrl = typeUrl
    this.#view = view
  }

  get mode(): 'wildcard' | 'on-demand' {
    return this.#isWildcard ? 'wildcard' : 'on-demand'
  }

  get heldCount(): number {
    return this.#held.size
  }

  held(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#held)
  }

  get outstanding(): string | undefined {
    return this.#outstanding
  }

  /** The first change that the client has not answered yet; undefined = it has everything. */
  get behind(): PushMark | undefined {
    return this.#unanswered ?? this.#waiting
  }

  /** Something waits to be sent, and nothing is outstanding. */
  get isDue(): boolean {
    return this.#outstanding === undefined && (this.#isAnew || this.#changed.size > 0 || this.#asked.size > 0)
  }

  get isFull(): boolean {
    return Math.max(this.#names.size, this.#held.size, this.#asked.size) > MAX_NAMES
  }

  /** The first request for this type on the stream: also says what the client still holds from earlier ones. */
  begin(request: DeltaRequest, mark: PushMark): void {
    this.#waiting = mark
    for (const [name, version] of Object.entries(request.initialResourceVersions)) {
      this.#held.set(name, version)
      this.#names.add(name)
    }
    // Asking for nothing by name is asking for everything, unless '*' was asked for and given back at once.
    const { resourceNamesSubscribe: wanted, resourceNamesUnsubscribe: unwanted } = request
    for (const name of wanted) this.#names.add(name)
    for (const name of unwanted) this.#names.delete(name)
    this.#isWildcard = wanted.length === 0 || this.#names.delete('*')
    if (this.#isWildcard) this.#names.clear()
  }

  /** Any later request: an acknowledgement, a change of what is wanted, or both. */
  next(request: DeltaRequest): Acknowledgement {
    for (const name of request.resourceNamesSubscribe) {
      if (name === '*') {
        this.#isAnew ||= !this.#isWildcard
        this.#isWildcard = true
        continue
      }
      if (!this.#isWildcard) this.#names.add(name)
      this.#asked.add(name)
    }
    for (const name of request.resourceNamesUnsubscribe) {
      if (name === '*') this.#isWildcard = false
      this.#names.delete(name)
      this.#held.delete(name)
      this.#asked.delete(name)
    }
    return this.#acknowledge(request)
  }

  /** Marks names that changed or went. */
  touch(names: Iterable<string>, mark: PushMark): void {
    this.#waiting ??= mark
    if (this.#isAnew) return // the comparison that is due sees them
    for (const name of names) this.#changed.add(name)
  }

  /** Everything is compared again. */
  touchAll(mark: PushMark): void {
    this.#waiting ??= mark
    this.#isAnew = true
    this.#changed.clear()
  }

  /** What the client lacks now; undefined when that is nothing and no answer is owed. Takes it as sent. */
  take(nonce: string): Delta | undefined {
    const changed = new Map<string, EncodedResource>()
    const removed = new Set<string>()
    const isOwed = this.#isFirst || this.#asked.size > 0
    if (this.#isAnew) this.#compareAll(changed, removed)
    else for (const name of this.#changed) this.#compare(name, changed, removed)
    for (const name of this.#asked) this.#answer(name, changed, removed)
    this.#isAnew = false
    this.#isFirst = false
    this.#changed.clear()
    this.#asked.clear()
    const since = this.#waiting
    this.#waiting = undefined
    if (changed.size === 0 && removed.size === 0 && !isOwed) return undefined
    for (const resource of changed.values()) this.#held.set(resource.name, resource.version)
    for (const name of removed) this.#held.delete(name)
    this.#outstanding = nonce
    this.#unanswered = since
    return { changed: [...changed.values()], removed: [...removed] }
  }

  #acknowledge({ responseNonce: nonce, errorDetail }: DeltaRequest): Acknowledgement {
    if (nonce === '' || nonce !== this.#outstanding) return { kind: 'none' }
    this.#outstanding = undefined
    this.#unanswered = undefined
    return errorDetail === null ? { kind: 'ack', nonce } : { kind: 'nack', nonce, message: errorDetail.message }
  }

  #compareAll(changed: Map<string, EncodedResource>, removed: Set<string>): void {
    const present = new Set<string>()
    for (const resource of this.#isWildcard ? this.#view.all() : this.#wanted()) {
      present.add(resource.name)
      if (!this.#holds(resource)) changed.set(resource.name, resource)
    }
    for (const name of this.#held.keys()) if (!present.has(name)) removed.add(name)
    // A name that was asked for and stands for nothing of that very name is answered as removed.
    for (const name of this.#names) if (!present.has(name)) removed.add(name)
  }

  /** What comes unasked, then what the names stand for. */
  *#wanted(): Iterable<EncodedResource> {
    for (const resource of this.#view.all()) if (this.#view.isUnasked(resource)) yield resource
    for (const name of this.#names) yield* this.#view.resolve(name)
  }

  #compare(name: string, changed: Map<string, EncodedResource>, removed: Set<string>): void {
    const resource = this.#view.get(name)
    if (resource === undefined) {
      if (this.#held.has(name)) removed.add(name)
    } else if (this.#concerns(resource) && !this.#holds(resource)) changed.set(name, resource)
  }

  #answer(name: string, changed: Map<string, EncodedResource>, removed: Set<string>): void {
    for (const resource of this.#view.resolve(name)) changed.set(resource.name, resource)
    if (!changed.has(name)) removed.add(name)
  }

  #concerns(resource: EncodedResource): boolean {
    if (this.#isWildcard || this.#held.has(resource.name) || this.#names.has(resource.name)) return true
    // A workload's aliases are also the services that it serves: whoever holds one of them needs its new workloads.
    return (
      resource.aliases.some((alias) => this.#names.has(alias) || this.#held.has(alias)) ||
      this.#view.isUnasked(resource)
    )
  }

  /** Only an unempty version says anything about the content. */
  #holds({ name, version }: EncodedResource): boolean {
    return version !== '' && this.#held.get(name) === version
  }
}
