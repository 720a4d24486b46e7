import { Backoff, type Clock, sleep } from '#shared/clock'
import { isRecord } from '#shared/document'
import { reasonOf } from '#shared/errors'
import type { KindReader, ObjectProblem, ObjectTable } from '#shared/k8s'
import type { Logger } from '#shared/telemetry'
import { isStatus, KubeApiError } from './api-error.ts'
import { HeldKind, type ListedObject } from './held-kind.ts'
import { resourceOf } from './paths.ts'
import type { ServerHistory } from './server-history.ts'
import type { ApiDocument, KubeClient, ListOptions, WatchEvent } from './types.ts'

/** Which objects of a kind are followed. */
export interface WatchedKind extends ListOptions {
  readonly reader: KindReader
}

export interface WatchTimes {
  /** Between tries that fail. */
  readonly firstRetryMs: number
  readonly maxRetryMs: number
  /** A kind that the server does not serve is looked for again. */
  readonly absentMs: number
  /** The server ends a watch after this to twice this, so that watches do not all end at once. */
  readonly watchSeconds: number
}

export const DEFAULT_TIMES: WatchTimes = { firstRetryMs: 100, maxRetryMs: 30_000, absentMs: 30_000, watchSeconds: 150 }

export interface KindWatchParts {
  readonly client: Pick<KubeClient, 'listPage' | 'watch' | 'server'>
  readonly history: ServerHistory
  readonly table: ObjectTable
  readonly clock: Clock
  readonly logger: Logger
  readonly times: WatchTimes
  readonly onRevision: (reader: KindReader, revision: string) => void
  /** Ends it. */
  readonly signal: AbortSignal
}

/** Objects of a page; they are read page by page, so that only their small forms add up. */
const PAGE_LIMIT = 500
/** A watch that lived so long was a good one. */
const GOOD_WATCH_MS = 2_000
/** Answers to a watch after which it cannot go on from where it was. */
const LOST_PLACE = [400, 404, 410, 422, 504] as const
/** So often a kind that was served must be missing before its objects are taken for gone: servers that start forget. */
const ABSENCES = 4

/**
 * ```
 * list ─▶ watch ─ended, cut off─▶ watch again from the last revision (after a check that it is the same history)
 *   ▲       └─410, another history─┐
 *   └────────────◀─────────────────┘
 * ```
 * Keeps the objects of one kind equal to the server's. A failure never changes what is held; a new list is compared with
 * it, so that nothing is told twice and what was deleted meanwhile is found.
 */
export class KindWatch {
  /** The first list is in, or the server does not serve the kind. */
  readonly synced: Promise<void>
  /** Nothing is told any more; never rejects. */
  readonly ended: Promise<void>
  readonly #target: WatchedKind
  readonly #parts: KindWatchParts
  readonly #held: HeldKind
  readonly #backoff: Backoff
  readonly #signal: AbortSignal
  #apiVersion: string
  /** Where the watch goes on; undefined: a list comes first. */
  #revision: string | undefined
  /** Of the history that the revision belongs to. */
  #epoch = -1
  /** The connection broke: it may be another server that answers next. */
  #isShaken = false
  #absences = 0
  #isAbsent = false
  #failure: string | undefined
  #pageLimit: number | undefined = PAGE_LIMIT
  #tellSynced: () => void = () => {}

  constructor(target: WatchedKind, parts: KindWatchParts) {
    const { table, clock, logger, times, signal } = parts
    this.#target = target
    this.#parts = parts
    this.#signal = signal
    this.#held = new HeldKind(target.reader, table, logger)
    this.#backoff = new Backoff(clock, { firstMs: times.firstRetryMs, maxMs: times.maxRetryMs, jitter: 0.5 })
    this.#apiVersion = target.reader.apiVersions[0]
    this.synced = new Promise((resolve) => {
      this.#tellSynced = resolve
    })
    this.ended = this.#run()
  }

  get problems(): readonly ObjectProblem[] {
    if (this.#failure === undefined) return this.#held.problems
    const where = `${this.#target.reader.kind} of ${this.#parts.client.server}`
    return [{ where, line: undefined, path: '', problem: this.#failure }, ...this.#held.problems]
  }

  async #run(): Promise<void> {
    while (!this.#signal.aborted) {
      const waitMs = await this.#step()
      if (waitMs > 0) await sleep(this.#parts.clock, waitMs, this.#signal).catch(() => {})
    }
  }

  /** @returns how long to wait before the next step */
  async #step(): Promise<number> {
    try {
      const wasShaken = this.#isShaken
      if (this.#revision === undefined || wasShaken) {
        const epoch = await this.#parts.history.check()
        if (epoch === undefined || epoch !== this.#epoch) this.#revision = undefined
        this.#epoch = epoch ?? this.#epoch
        this.#isShaken = false
      }
      const isNew = this.#revision === undefined
      this.#revision ??= await this.#list()
      return await this.#follow(this.#revision, isNew || wasShaken)
    } catch (error) {
      return this.#signal.aborted ? 0 : this.#failed(error)
    }
  }

  /** @returns the revision of the state that was listed */
  async #list(): Promise<string> {
    const { client } = this.#parts
    const resource = resourceOf(this.#target.reader, this.#apiVersion)
    const listed: ListedObject[] = []
    let continueToken = ''
    for (;;) {
      const page = { limit: this.#pageLimit, continueToken, signal: this.#signal }
      const { items, resourceVersion, ...rest } = await client.listPage(resource, this.#target, page)
      for (const item of items) listed.push(this.#held.read(item))
      continueToken = rest.continueToken
      if (continueToken !== '') continue
      this.#pageLimit = PAGE_LIMIT
      this.#held.replace(listed)
      this.#told(resourceVersion)
      this.#working()
      return resourceVersion
    }
  }

  /**
   * @param isNewPlace the server may have become another one since it was asked last
   * @returns how long to wait before going on
   */
  async #follow(resourceVersion: string, isNewPlace: boolean): Promise<number> {
    const { client, clock, times } = this.#parts
    const timeoutSeconds = Math.ceil(times.watchSeconds * (1 + clock.random()))
    const sinceMs = clock.monotonicMs()
    const livedMs = (): number => clock.monotonicMs() - sinceMs
    const lost = new AbortController()
    try {
      await client.watch(resourceOf(this.#target.reader, this.#apiVersion), this.#target, {
        resourceVersion,
        timeoutSeconds,
        onOpen: () => {
          this.#working()
          if (isNewPlace) void this.#confirm(lost)
        },
        onEvent: (event) => {
          if (!lost.signal.aborted) this.#take(event)
        },
        signal: AbortSignal.any([this.#signal, lost.signal]),
      })
    } catch (error) {
      if (!lost.signal.aborted) throw error
    } finally {
      if (livedMs() >= GOOD_WATCH_MS) this.#backoff.reset()
      this.#isShaken = livedMs() < timeoutSeconds * 1000
    }
    return livedMs() >= GOOD_WATCH_MS ? 0 : this.#backoff.next()
  }

  /** Whoever answers on an open watch tells the history that was listed, or is left. */
  async #confirm(lost: AbortController): Promise<void> {
    try {
      const epoch = await this.#parts.history.check()
      if (epoch === undefined || epoch === this.#epoch) return
      this.#revision = undefined
    } catch {
      // It cannot be known: watched again, which asks again.
    }
    lost.abort()
  }

  #take({ type, object }: WatchEvent): void {
    if (type !== 'BOOKMARK') this.#held.change(type, object)
    const revision = revisionOf(object)
    if (revision === undefined) return
    this.#revision = revision
    this.#told(revision)
  }

  #told(revision: string): void {
    const { reader, namespace, fieldSelector, labelSelector } = this.#target
    this.#parts.history.seen(revision)
    if (!namespace && !fieldSelector && !labelSelector) this.#parts.onRevision(reader, revision)
  }

  #working(): void {
    const { logger } = this.#parts
    const { kind } = this.#target.reader
    if (this.#isAbsent) logger.info(`${kind} is served now`)
    if (this.#failure !== undefined) logger.info(`${kind} can be followed again`)
    this.#isAbsent = false
    this.#absences = 0
    this.#failure = undefined
    this.#tellSynced()
  }

  #failed(error: unknown): number {
    const wasListing = this.#revision === undefined
    if (wasListing && isStatus(error, 404)) return this.#missing()
    if (!wasListing && isStatus(error, ...LOST_PLACE)) this.#revision = undefined
    // A list whose pages expire faster than they are read is asked for whole.
    else if (wasListing && isStatus(error, 410) && this.#pageLimit !== undefined) this.#pageLimit = undefined
    else this.#fail(reasonOf(error))
    const askedMs = error instanceof KubeApiError ? error.retryAfterMs : 0
    return Math.max(this.#backoff.next(), askedMs)
  }

  /** The server does not know the kind under this version: another spelling may do, or it is not installed. */
  #missing(): number {
    const { reader } = this.#target
    const { logger, clock, times } = this.#parts
    const next = reader.apiVersions.indexOf(this.#apiVersion) + 1
    this.#apiVersion = reader.apiVersions[next] ?? reader.apiVersions[0]
    if (next < reader.apiVersions.length) return 1
    this.#absences++
    if (this.#held.count > 0 && this.#absences < ABSENCES) return this.#backoff.next()
    this.#held.replace([])
    if (!this.#isAbsent) {
      const seconds = times.absentMs / 1000
      logger.warn(`${reader.kind} (${reader.apiVersions.join(' or ')}) is not served; looked for every ${seconds} s`)
    }
    this.#isAbsent = true
    this.#failure = undefined
    this.#tellSynced()
    return times.absentMs * (0.5 + clock.random())
  }

  #fail(reason: string): void {
    if (this.#failure === undefined)
      this.#parts.logger.warn(`${this.#target.reader.kind} cannot be followed now; what is known stays`, { reason })
    this.#failure = reason
  }
}

function revisionOf(object: ApiDocument): string | undefined {
  const revision = isRecord(object.metadata) ? object.metadata.resourceVersion : undefined
  return typeof revision === 'string' && revision !== '' ? revision : undefined
}
