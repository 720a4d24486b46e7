import type { Clock } from '#shared/clock'
import { isRecord } from '#shared/document'
import { reasonOf } from '#shared/errors'
import { type ApiDocument, type ApiResource, isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import type { Leadership } from '../leadership/index.ts'
import type { EventRecorder } from './event-recorder.ts'
import type { StatusChange, StatusEdit, StatusPen, StatusSubject, StatusTopic } from './types.ts'

export interface StatusWriterParts {
  readonly client: Pick<KubeClient, 'get' | 'listPage' | 'mergePatch'>
  readonly leadership: Leadership
  readonly events: Pick<EventRecorder, 'tell'>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** An object, and what is to be said of it by topic. */
interface Wish {
  readonly subject: StatusSubject
  readonly edits: Map<string, { readonly edit: StatusEdit; readonly isClear: boolean }>
}

const FIELD_MANAGER = 'istiod-lite'
/** Objects that are written at once. */
const CONCURRENCY = 4
const PAGE_LIMIT = 500

/**
 * Keeps the status of objects as the topics say. Only the leader writes; who begins to lead looks through all objects of the
 * topics' kinds once, so that what an earlier leader left undone, or said too much, is put right.
 *
 * An object is read right before it is written, and written only if it is still as it was read: what others wrote into its
 * status meanwhile is never lost. A write that fails is tried again, ever more slowly; nothing waits for it.
 */
export class StatusWriter implements Closer {
  readonly #parts: StatusWriterParts
  readonly #topics: StatusTopic[] = []
  /** By the key under which each is looked through, for itself: one that may not be read holds up no other. */
  readonly #kinds = new Map<string, ApiResource>()
  readonly #wishes = new Map<string, Wish>()
  /** Why objects cannot be written, by key. */
  readonly #failing = new Map<string, string>()
  readonly #reconciler: Reconciler
  readonly #written: { value: number }
  #unsubscribe: (() => void) | undefined

  constructor(parts: StatusWriterParts) {
    this.#parts = parts
    const { clock, metrics } = parts
    this.#written = metrics.counter('ambit_status_writes', 'Status of objects written to the cluster')
    const failing = metrics.gauge('ambit_status_failing', 'Objects whose status cannot be written right now')
    metrics.onCollect(() => {
      failing.value = this.#failing.size
    })
    this.#reconciler = new Reconciler({
      clock,
      reconcile: (key) => this.#reconcile(key),
      onFailure: (key, error) => this.#failed(key, error),
      concurrency: CONCURRENCY,
      firstRetryMs: 200,
      maxRetryMs: 60_000,
    })
  }

  /** All topics are opened before `start`. */
  open(topic: StatusTopic): StatusPen {
    this.#topics.push(topic)
    for (const resource of topic.resources) this.#kinds.set(groupOf(resource), resource)
    return {
      say: (subject, edit) => this.#say(topic, subject, { edit, isClear: false }),
      unsay: (subject) => this.#say(topic, subject, { edit: topic.clear, isClear: true }),
    }
  }

  /** Call it once everything that is known at the start has been said: what nobody speaks of is cleared. */
  start(): void {
    this.#unsubscribe = this.#parts.leadership.subscribe((isLeader) => {
      if (isLeader) for (const kind of this.#kinds.keys()) this.#reconciler.ask(kind)
    })
  }

  async close(): Promise<void> {
    this.#unsubscribe?.()
    await this.#reconciler.close()
  }

  #say(
    topic: StatusTopic,
    subject: StatusSubject,
    wish: { readonly edit: StatusEdit; readonly isClear: boolean },
  ): void {
    const key = keyOf(subject)
    const known = this.#wishes.get(key)
    // Who does not lead has nothing to clear: whoever begins to lead looks for it.
    if (wish.isClear && (known === undefined || !this.#parts.leadership.isLeader)) {
      known?.edits.delete(topic.name)
      if (known?.edits.size === 0) this.#forget(key)
      return
    }
    const entry = known ?? { subject, edits: new Map() }
    entry.edits.set(topic.name, wish)
    this.#wishes.set(key, entry)
    if (this.#parts.leadership.isLeader) this.#reconciler.ask(key)
  }

  async #reconcile(key: string): Promise<void> {
    // Whoever leads next looks through everything.
    if (this.#parts.leadership.isLeader) {
      const kind = this.#kinds.get(key)
      if (kind === undefined) await this.#settle(key)
      else await this.#sweep(kind)
    }
    this.#failing.delete(key)
  }

  async #settle(key: string): Promise<void> {
    const wish = this.#wishes.get(key)
    if (wish === undefined) return
    const edits = [...wish.edits]
    const document = await this.#parts.client.get(wish.subject.resource, wish.subject.id)
    if (document !== undefined)
      await this.#write(
        wish.subject,
        document,
        edits.map(([, { edit }]) => edit),
      )
    // What has been cleared, and not been said anew meanwhile, need not be remembered.
    for (const [topic, done] of edits) {
      if (done.isClear && wish.edits.get(topic) === done) wish.edits.delete(topic)
    }
    if (wish.edits.size === 0) this.#forget(key)
  }

  async #write({ resource, id }: StatusSubject, document: ApiDocument, edits: readonly StatusEdit[]): Promise<void> {
    const { client, leadership, events } = this.#parts
    const change = changeOf(document, edits, this.#now())
    if (change === undefined) return
    const { resourceVersion } = isRecord(document.metadata) ? document.metadata : {}
    const patch = { metadata: { resourceVersion }, status: change.patch }
    const options = { subresource: 'status', fieldManager: FIELD_MANAGER }
    try {
      await leadership.perform(() => client.mergePatch(resource, id, patch, options))
    } catch (error) {
      // Gone since it was read.
      if (isStatus(error, 404)) return
      throw error
    }
    this.#written.value++
    for (const event of change.events) events.tell(document, event)
  }

  /** Objects whose status is not as it shall be, one page of the kind in memory at a time. */
  async #sweep(resource: ApiResource): Promise<void> {
    const topics = this.#topics.filter(({ resources }) => resources.some((each) => groupOf(each) === groupOf(resource)))
    let continueToken = ''
    do {
      const page = await this.#pageOf(resource, continueToken)
      for (const item of page?.items ?? []) this.#compare(resource, item, topics)
      continueToken = page?.continueToken ?? ''
    } while (continueToken !== '')
  }

  /** @returns undefined when the kind is not there, or its pages have expired: what changes later is written all the same */
  async #pageOf(
    resource: ApiResource,
    continueToken: string,
  ): Promise<Awaited<ReturnType<KubeClient['listPage']>> | undefined> {
    try {
      return await this.#parts.client.listPage(resource, {}, { limit: PAGE_LIMIT, continueToken })
    } catch (error) {
      if (isStatus(error, 404)) return undefined
      throw error
    }
  }

  #compare(resource: ApiResource, item: unknown, topics: readonly StatusTopic[]): void {
    if (!isRecord(item) || !isRecord(item.metadata)) return
    const { name, namespace = '' } = item.metadata
    const subject = { resource, id: { name: String(name), namespace: String(namespace) } }
    const key = keyOf(subject)
    const wish = this.#wishes.get(key)
    const edits = topics.map(({ name: topic, clear }) => wish?.edits.get(topic)?.edit ?? clear)
    if (changeOf(item, edits, this.#now()) === undefined) return
    const entry: Wish = wish ?? { subject, edits: new Map() }
    for (const { name: topic, clear } of topics) {
      if (!entry.edits.has(topic)) entry.edits.set(topic, { edit: clear, isClear: true })
    }
    this.#wishes.set(key, entry)
    this.#reconciler.ask(key)
  }

  #forget(key: string): void {
    this.#wishes.delete(key)
    this.#failing.delete(key)
  }

  /** A reason is told once, however many objects and tries it concerns. */
  #failed(key: string, error: unknown): void {
    // It was another one's to write by then.
    if (!this.#parts.leadership.isLeader) return
    const reason = reasonOf(error)
    const isKnown = isStatus(error, 409) || [...this.#failing.values()].includes(classOf(error))
    this.#failing.set(key, classOf(error))
    const { logger } = this.#parts
    const fields = { object: key, reason }
    if (isKnown) logger.debug('status cannot be written and is tried again', fields)
    else logger.warn('status cannot be written and is tried again', fields)
  }

  #now(): string {
    return new Date(this.#parts.clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z')
  }
}

/** Every topic edits what the one before has made of it. */
function changeOf(document: ApiDocument, edits: readonly StatusEdit[], now: string): StatusChange | undefined {
  const before = isRecord(document.status) ? document.status : {}
  let status: ApiDocument = before
  let patch: ApiDocument = {}
  const events: StatusChange['events'][number][] = []
  for (const edit of edits) {
    const change = edit(status, now)
    if (change === undefined) continue
    // Fields of a status are replaced as a whole, so that later edits see what the merge patch will make of it.
    status = { ...status, ...change.patch }
    patch = { ...patch, ...change.patch }
    events.push(...change.events)
  }
  return Object.keys(patch).length === 0 ? undefined : { patch, events }
}

function groupOf({ apiVersion, resource }: ApiResource): string {
  return `${resource}.${apiVersion.includes('/') ? apiVersion.split('/')[0] : ''}`
}

function keyOf({ resource, id }: StatusSubject): string {
  return `${groupOf(resource)} ${id.namespace === '' ? id.name : `${id.namespace}/${id.name}`}`
}

/** Refusals of one sort, whatever object they name. */
function classOf(error: unknown): string {
  return isStatus(error, 401, 403, 422) ? String(error.status) : reasonOf(error)
}
