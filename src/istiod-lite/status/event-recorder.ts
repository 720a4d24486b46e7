import { createHash } from 'node:crypto'
import { Backoff, type Clock, sleep } from '#shared/clock'
import { isRecord } from '#shared/document'
import { reasonOf } from '#shared/errors'
import { type ApiDocument, type ApiObjectId, type ApiResource, isStatus, type KubeClient } from '#shared/kube-client'
import type { Closer } from '#shared/lifecycle'
import type { Counter, Logger, Metrics } from '#shared/telemetry'
import type { Leadership } from '../leadership/index.ts'
import { EventBudget } from './event-budget.ts'
import type { EventNote } from './types.ts'

export interface EventRecorderParts {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'mergePatch'>
  readonly leadership: Leadership
  /** Which of several control planes tells. */
  readonly instance: string
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

interface Told {
  readonly id: ApiObjectId
  readonly event: ApiDocument
}

const EVENTS: ApiResource = { apiVersion: 'v1', kind: 'Event', resource: 'events', namespaced: true }
const COMPONENT = 'istiod-lite'
/** Events that wait to be written. */
const MAX_WAITING = 256
const MAX_TRIES = 5
const MAX_MESSAGE = 1_024
const MAX_NAME = 253

/**
 * Tells users of an object what happened to it. Something that happens again is counted on its event, under a name that is
 * made of the object and the words, whichever control plane tells it. Events are news, not state: what comes too often, or
 * cannot be written after some tries, is dropped and counted.
 */
export class EventRecorder implements Closer {
  readonly #parts: EventRecorderParts
  readonly #budget: EventBudget
  readonly #waiting: Told[] = []
  readonly #dropped: Counter
  readonly #stop = new AbortController()
  #work: Promise<void> | undefined

  constructor(parts: EventRecorderParts) {
    this.#parts = parts
    this.#budget = new EventBudget(parts.clock)
    this.#dropped = parts.metrics.counter('ambit_events_dropped', 'Events that were too many, or could not be written')
  }

  /** @param document the object as the API gave it */
  tell(document: ApiDocument, note: EventNote): void {
    if (this.#stop.signal.aborted) return
    const told = this.#eventOf(document, note)
    if (this.#waiting.length >= MAX_WAITING || !this.#budget.take(String(involvedOf(document).uid))) {
      this.#dropped.value++
      return
    }
    this.#waiting.push(told)
    this.#work ??= this.#writeAll().finally(() => {
      this.#work = undefined
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#work
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (!(await this.#tried(next))) this.#dropped.value++
    }
  }

  async #tried(told: Told): Promise<boolean> {
    const { clock, leadership, logger } = this.#parts
    const { signal } = this.#stop
    const backoff = new Backoff(clock, { firstMs: 500, maxMs: 10_000, jitter: 0.2 })
    for (let tries = 1; !signal.aborted && leadership.isLeader; tries++) {
      try {
        await this.#write(told)
        return true
      } catch (error) {
        logger.debug('an event cannot be written', { event: told.id.name, reason: reasonOf(error) })
        if (tries >= MAX_TRIES || isStatus(error, 403, 404, 422)) return false
      }
      await sleep(clock, backoff.next(), signal).catch(() => undefined)
    }
    return false
  }

  async #write({ id, event }: Told): Promise<void> {
    const { client, leadership } = this.#parts
    try {
      await leadership.perform(() => client.create(EVENTS, id.namespace, event))
    } catch (error) {
      if (!isStatus(error, 409)) throw error
      const before = await client.get(EVENTS, id)
      const { resourceVersion } = isRecord(before?.metadata) ? before.metadata : {}
      const count = typeof before?.count === 'number' ? before.count + 1 : 2
      const patch = { metadata: { resourceVersion }, count, lastTimestamp: event.lastTimestamp }
      await leadership.perform(() => client.mergePatch(EVENTS, id, patch, { fieldManager: COMPONENT }))
    }
  }

  #eventOf(document: ApiDocument, { type, reason, message }: EventNote): Told {
    const involvedObject = involvedOf(document)
    const { name, namespace, uid } = involvedObject
    const words = createHash('sha256')
      .update(JSON.stringify([uid, type, reason, message]))
      .digest('hex')
      .slice(0, 16)
    const id = {
      // Events of objects without a namespace are in `default`, as Kubernetes' own.
      namespace: namespace === '' ? 'default' : namespace,
      // No part between dots may end with a dash or be empty where a long name is cut.
      name: `${name.slice(0, MAX_NAME - words.length - 1).replace(/[-.]+$/, '')}.${words}`,
    }
    const now = new Date(this.#parts.clock.nowMs()).toISOString().replace(/\.\d+Z$/, 'Z')
    const event = {
      metadata: id,
      involvedObject,
      type,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: COMPONENT },
      reportingComponent: COMPONENT,
      reportingInstance: this.#parts.instance,
    }
    return { id, event }
  }
}

function involvedOf(document: ApiDocument): Readonly<Record<'name' | 'namespace' | 'uid', string>> & ApiDocument {
  const { name = '', namespace = '', uid = '' } = isRecord(document.metadata) ? document.metadata : {}
  return {
    apiVersion: document.apiVersion,
    kind: document.kind,
    name: String(name),
    namespace: String(namespace),
    uid: String(uid),
  }
}
