import { mkdir } from 'node:fs/promises'
import type { Clock } from '#shared/clock'
import type { Logger } from '#shared/telemetry'
import { Compaction } from './compaction.ts'
import { checkFormat } from './format.ts'
import { History } from './history.ts'
import { Journal, type SyncMode } from './journal.ts'
import { journalLine } from './journal-entry.ts'
import { keyText, ObjectTables, stamped } from './object-tables.ts'
import { type FolderOwnership, ownFolder } from './own-folder.ts'
import { type Recovered, recover } from './recover.ts'
import type {
  ApiObject,
  ListQuery,
  ListResult,
  ObjectKey,
  Revision,
  Store,
  StoreDamage,
  StoredObject,
  StoreEvent,
  StoreWatch,
  WatchQuery,
  WriteResult,
} from './types.ts'
import { Watches } from './watches.ts'

export interface StoreSettings {
  /** Where it is kept; undefined: nowhere, all is gone when the process ends. */
  readonly dir: string | undefined
  readonly sync: SyncMode
  /** Events that watchers may go back; at least 1. */
  readonly historyEvents: number
  /** A new snapshot is made when the journal since the last one has at least so many bytes. */
  readonly compactAtBytes: number
}

export const storeDefaults: Omit<StoreSettings, 'dir'> = {
  sync: 'always',
  historyEvents: 8192,
  compactAtBytes: 16 * 1024 * 1024,
}

/**
 * Opens a store, making its folder when there is none.
 *
 * @throws MeshError `STORE_FAILED` when another process has it open, another version wrote it, or the folder cannot be
 *   read or written
 */
export async function openStore(settings: StoreSettings, clock: Clock, logger: Logger): Promise<Store> {
  if (settings.dir === undefined) {
    const history = new History(settings.historyEvents, 0)
    return new JournaledStore({ revision: 0, tables: new ObjectTables(), history, damage: [], segment: '' })
  }
  const { dir } = settings
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const ownership = ownFolder(dir)
  try {
    checkFormat(dir)
    const tag = new Date(clock.nowMs()).toISOString().replaceAll(/[-:.]/g, '')
    const recovered = await recover(dir, settings.historyEvents, tag)
    for (const damage of recovered.damage)
      logger[damage.kind === 'corrupt' ? 'error' : 'warn']('the journal was damaged', { dir, ...damage })
    const store = new JournaledStore(recovered)
    await store.keepIn(dir, settings, ownership, logger, recovered.segment)
    return store
  } catch (error) {
    ownership.release()
    throw error
  }
}

class JournaledStore implements Store {
  readonly damage: readonly StoreDamage[]
  readonly #tables: ObjectTables
  readonly #history: History
  readonly #watches = new Watches()
  #revision: Revision
  /** Events that are not durable yet, so no watcher may hear of them; the journal's bound is theirs. */
  readonly #unpublished: StoreEvent[] = []
  #kept: { readonly journal: Journal; readonly compaction: Compaction; readonly ownership: FolderOwnership } | undefined
  #closing: Promise<void> | undefined

  constructor(recovered: Recovered) {
    this.damage = recovered.damage
    this.#tables = recovered.tables
    this.#history = recovered.history
    this.#revision = recovered.revision
  }

  async keepIn(
    dir: string,
    settings: StoreSettings,
    ownership: FolderOwnership,
    logger: Logger,
    segment: string,
  ): Promise<void> {
    const written = (revision: Revision): void => {
      this.#publish(revision)
      compaction.consider()
    }
    const journal = await Journal.open({ dir, sync: settings.sync, written }, segment)
    const compaction = new Compaction(dir, settings.compactAtBytes, journal, logger, () => ({
      revision: this.#revision,
      objects: this.#tables.everything(),
    }))
    this.#kept = { journal, compaction, ownership }
  }

  get isWritable(): boolean {
    return this.#kept?.journal.isWritable ?? true
  }

  get revision(): Revision {
    return this.#revision
  }

  get(key: ObjectKey): StoredObject | undefined {
    return this.#tables.get(key)
  }

  list(query: ListQuery): ListResult {
    const now = this.#tables.sorted(query.resource, query.namespace)
    const revision = query.at ?? this.#revision
    const all = revision === this.#revision ? now : this.#asOf(revision, query, now)
    if (all === undefined) return { kind: 'expired' }
    const start = query.after === undefined ? 0 : indexBehind(all, query.after)
    const end = query.limit === undefined ? all.length : Math.min(all.length, start + query.limit)
    return { kind: 'listed', revision, items: all.slice(start, end), remaining: all.length - end }
  }

  create(key: ObjectKey, object: ApiObject): WriteResult {
    const previous = this.#tables.get(key)
    if (previous !== undefined) return { kind: 'exists', stored: previous }
    return this.#write('put', key, object, (stored) => ({ kind: 'created', stored, previous: undefined }))
  }

  update(key: ObjectKey, object: ApiObject, expected?: Revision): WriteResult {
    const previous = this.#tables.get(key)
    if (previous === undefined) return { kind: 'missing' }
    if (expected !== undefined && expected !== previous.revision) return { kind: 'conflict', stored: previous }
    return this.#write('put', key, object, (stored) => ({ kind: 'updated', stored, previous }))
  }

  delete(key: ObjectKey, expected?: Revision): WriteResult {
    const previous = this.#tables.get(key)
    if (previous === undefined) return { kind: 'missing' }
    if (expected !== undefined && expected !== previous.revision) return { kind: 'conflict', stored: previous }
    return this.#write('delete', key, previous.object, (stored) => ({ kind: 'deleted', stored, previous }))
  }

  watch(query: WatchQuery, listener: (event: StoreEvent) => void): StoreWatch | 'expired' {
    if (query.from > this.#revision) return 'expired'
    const past = this.#history.between(query.from, this.#publishedRevision)
    return past === undefined ? 'expired' : this.#watches.add(query, past, listener)
  }

  settled(): Promise<void> {
    return this.#kept?.journal.settled() ?? Promise.resolve()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#kept === undefined) return
    await this.#kept.journal.close()
    await this.#kept.compaction.settled()
    this.#kept.ownership.release()
  }

  #write(
    kind: 'put' | 'delete',
    key: ObjectKey,
    object: ApiObject,
    event: (stored: StoredObject) => StoreEvent,
  ): WriteResult {
    const revision = this.#revision + 1
    const stored = stamped(key, object, revision)
    // First the journal: when it takes no more, memory must not change either.
    const durable = this.#kept?.journal.append(journalLine(revision, kind, key, stored.object), revision)
    this.#revision = revision
    if (kind === 'put') this.#tables.put(stored)
    else this.#tables.remove(key)
    const change = event(stored)
    this.#history.push(change)
    this.#unpublished.push(change)
    if (durable === undefined) return { kind: 'written', stored, durable: this.#publishSoon(revision) }
    return { kind: 'written', stored, durable }
  }

  /** Without a journal a write is as durable as it gets; watchers still hear of it after the writer's turn. */
  async #publishSoon(revision: Revision): Promise<void> {
    await undefined
    this.#publish(revision)
  }

  #publish(upTo: Revision): void {
    const stillWaiting = this.#unpublished.findIndex((event) => event.stored.revision > upTo)
    const events = this.#unpublished.splice(0, stillWaiting === -1 ? this.#unpublished.length : stillWaiting)
    for (const event of events) this.#watches.publish(event)
  }

  /** Up to here watchers know. */
  get #publishedRevision(): Revision {
    const next = this.#unpublished[0]
    return next === undefined ? this.#revision : next.stored.revision - 1
  }

  /** Undoes what came since; `now` is of one namespace, or of all. */
  #asOf(at: Revision, query: ListQuery, now: readonly StoredObject[]): readonly StoredObject[] | undefined {
    const all = this.#history.asOf(at, query.resource, now)
    const { namespace } = query
    return namespace === undefined ? all : all?.filter(({ key }) => key.namespace === namespace)
  }
}

function indexBehind(items: readonly StoredObject[], after: { namespace: string; name: string }): number {
  const wanted = keyText(after.namespace, after.name)
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const { key } = items[middle] as StoredObject
    if (keyText(key.namespace, key.name) <= wanted) low = middle + 1
    else high = middle
  }
  return low
}
