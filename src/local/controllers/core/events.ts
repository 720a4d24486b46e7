import type { ApiObject } from '../../apiserver/index.ts'
import type { Environment } from './controller.ts'
import { refOf, timeText } from './kinds.ts'

export interface EventNote {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

/** Distinct events that are remembered for counting; the oldest is forgotten first and starts anew. */
const MAX_REMEMBERED = 1_000

/** Writes what `kubectl describe` and `kubectl events` show; the same event again only counts up. */
export class EventRecorder {
  readonly #environment: Environment
  readonly #component: string
  readonly #names = new Map<string, { readonly name: string; count: number }>()
  #sequence = 0

  constructor(environment: Environment, component: string) {
    this.#environment = environment
    this.#component = component
  }

  /** Never fails its caller: an event that cannot be written is logged. */
  async record(object: ApiObject, note: EventNote): Promise<void> {
    try {
      await this.#write(object, note)
    } catch (error) {
      const { logger } = this.#environment
      logger.warn('an event could not be written', {
        reason: note.reason,
        object: object.metadata.name,
        error: `${error}`,
      })
    }
  }

  async #write(object: ApiObject, note: EventNote): Promise<void> {
    const { access, clock } = this.#environment
    const { metadata, apiVersion, kind } = object
    const namespace = metadata.namespace ?? 'default'
    const now = timeText(clock.nowMs())
    const identity = [metadata.uid, note.type, note.reason, note.message].join('\n')
    const known = this.#names.get(identity)
    if (known !== undefined && access.get(refOf(EVENTS, namespace, known.name)) !== undefined) {
      known.count++
      await access.patch(refOf(EVENTS, namespace, known.name), 'merge', { count: known.count, lastTimestamp: now })
      return
    }
    const name = `${metadata.name}.${clock.nowMs().toString(16)}${(this.#sequence++ & 0xfff).toString(16)}`
    this.#remember(identity, name)
    await access.create({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: {
        apiVersion,
        kind,
        name: metadata.name,
        namespace: metadata.namespace ?? '',
        uid: metadata.uid ?? '',
        resourceVersion: metadata.resourceVersion ?? '',
      },
      ...note,
      source: { component: this.#component },
      reportingComponent: this.#component,
      reportingInstance: '',
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    })
  }

  #remember(identity: string, name: string): void {
    this.#names.delete(identity)
    this.#names.set(identity, { name, count: 1 })
    const oldest = this.#names.keys().next().value
    if (this.#names.size > MAX_REMEMBERED && oldest !== undefined) this.#names.delete(oldest)
  }
}

const EVENTS = { group: '', resource: 'events' }
