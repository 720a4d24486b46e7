import type { Clock, Timer } from '#shared/clock'
import type { Store, StoreEvent, StoreWatch } from '../../store/index.ts'
import { ApiError } from '../api-error.ts'
import type { ListOptions } from '../http/query.ts'
import { resourceId } from '../registry.ts'
import type { ApiObject } from '../types.ts'
import { expired, readRevision, type Selects, selectionOf, tooNew } from './lister.ts'
import { inVersion, type Scope } from './scope.ts'

/** As often as kube-apiserver tells idle watchers how far they are. */
const BOOKMARK_MS = 60_000

export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: ApiObject }
  /** Everything up to the revision has been told; `endsInitial`: so has everything that was there at the start. */
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string; readonly endsInitial: boolean }
  | { readonly type: 'ERROR'; readonly error: ApiError }

/** How one watch begins. */
type Start =
  | { readonly kind: 'state'; readonly endsWithBookmark: boolean }
  | { readonly kind: 'revision'; readonly revision: number }

/**
 * Tells what is there and what changes. What enters or leaves the selection by a change is told as added or deleted.
 *
 * @param tell must not throw; nothing comes after an ERROR
 * @throws ApiError BadRequest before anything is told
 */
export function watchObjects(
  store: Store,
  clock: Clock,
  scope: Scope,
  options: ListOptions,
  tell: (event: WatchEvent) => void,
): { stop(): void } {
  const selects = selectionOf(scope, options)
  const start = startOf(options)
  const watching = new Watching(store, clock, scope, selects, tell)
  watching.start(start, options.wantsBookmarks)
  return watching
}

function startOf({ resourceVersion, sendInitialEvents, wantsBookmarks }: ListOptions): Start {
  const revision = resourceVersion === '' ? 0 : readRevision(resourceVersion)
  if (sendInitialEvents) return { kind: 'state', endsWithBookmark: wantsBookmarks }
  return revision === 0 ? { kind: 'state', endsWithBookmark: false } : { kind: 'revision', revision }
}

class Watching {
  readonly #store: Store
  readonly #clock: Clock
  readonly #scope: Scope
  readonly #selects: Selects
  readonly #tell: (event: WatchEvent) => void
  #watch: StoreWatch | undefined
  #bookmarkTimer: Timer | undefined
  #isOver = false

  constructor(store: Store, clock: Clock, scope: Scope, selects: Selects, tell: (event: WatchEvent) => void) {
    this.#store = store
    this.#clock = clock
    this.#scope = scope
    this.#selects = selects
    this.#tell = tell
  }

  start(start: Start, wantsBookmarks: boolean): void {
    if (start.kind === 'revision') this.#follow(start.revision)
    else void this.#tellState(start.endsWithBookmark)
    if (wantsBookmarks) this.#scheduleBookmark()
  }

  stop(): void {
    this.#isOver = true
    this.#watch?.stop()
    this.#bookmarkTimer?.cancel()
  }

  /** What is not durable yet must not be told, so the state waits for the disk. */
  async #tellState(endsWithBookmark: boolean): Promise<void> {
    const listed = this.#store.list({ resource: this.#resource, namespace: this.#namespace })
    if (listed.kind === 'expired') throw expired(0, this.#store.revision)
    try {
      await this.#store.settled()
    } catch {
      this.#fail(new ApiError('ServiceUnavailable', 'the store can no longer be written'))
    }
    if (this.#isOver) return
    for (const { object } of listed.items)
      if (this.#selects(object)) this.#tell({ type: 'ADDED', object: this.#seen(object) })
    if (endsWithBookmark) this.#tell({ type: 'BOOKMARK', resourceVersion: String(listed.revision), endsInitial: true })
    this.#follow(listed.revision)
  }

  #follow(revision: number): void {
    if (this.#isOver) return
    if (revision > this.#store.revision) {
      this.#fail(tooNew(revision, this.#store.revision))
      return
    }
    const query = { resource: this.#resource, namespace: this.#namespace, from: revision }
    const watch = this.#store.watch(query, (event) => this.#pass(event))
    if (watch === 'expired') {
      this.#fail(expired(revision, this.#store.revision))
      return
    }
    this.#watch = watch
    // Whoever was told may have stopped meanwhile.
    if (this.#isOver) watch.stop()
  }

  #pass({ kind, stored: { object }, previous }: StoreEvent): void {
    if (this.#isOver) return
    const wasSelected = previous !== undefined && this.#selects(previous.object)
    const isSelected = kind !== 'deleted' && this.#selects(object)
    if (isSelected) this.#tell({ type: wasSelected ? 'MODIFIED' : 'ADDED', object: this.#seen(object) })
    else if (wasSelected) this.#tell({ type: 'DELETED', object: this.#seen(leaving(previous.object, object)) })
  }

  #seen(object: ApiObject): ApiObject {
    return inVersion(object, this.#scope)
  }

  #fail(error: ApiError): void {
    this.stop()
    this.#tell({ type: 'ERROR', error })
  }

  #scheduleBookmark(): void {
    this.#bookmarkTimer = this.#clock.setTimer(BOOKMARK_MS, () => {
      void this.#bookmark()
      this.#scheduleBookmark()
    })
  }

  async #bookmark(): Promise<void> {
    const { revision } = this.#store
    try {
      await this.#store.settled()
    } catch {
      return // The next bookmark, or the end of the watch, will tell.
    }
    if (!this.#isOver && this.#watch !== undefined)
      this.#tell({ type: 'BOOKMARK', resourceVersion: String(revision), endsInitial: false })
  }

  get #resource(): string {
    return resourceId(this.#scope.definition.group, this.#scope.definition.plural)
  }

  get #namespace(): string | undefined {
    const { namespace } = this.#scope.context
    return namespace === '' ? undefined : namespace
  }
}

/** The object as the watcher knew it, under the revision at which it left. */
function leaving(known: ApiObject, { metadata }: ApiObject): ApiObject {
  const { resourceVersion = '' } = metadata
  return { ...known, metadata: { ...known.metadata, resourceVersion } }
}
