import { isDeepStrictEqual } from 'node:util'
import { type Clock, sleep } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { ApiError, type ApiObject, type ObjectAccess, type ObjectRef } from '../apiserver/index.ts'

const MANAGER = 'kubelet'
const RETRY_MS = 200

/** Writes the status of pods: one write at a time for each, always the newest, and none that says nothing new. */
export class StatusWriter {
  readonly #access: ObjectAccess
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #wanted = new Map<string, { readonly pod: ApiObject; readonly status: object }>()
  readonly #written = new Map<string, object>()
  readonly #busy = new Set<string>()

  constructor(access: ObjectAccess, clock: Clock, logger: Logger) {
    this.#access = access
    this.#clock = clock
    this.#logger = logger
  }

  /** @returns whether it says something new */
  set(pod: ApiObject, status: object): boolean {
    const { uid = '' } = pod.metadata
    const last = this.#wanted.get(uid)?.status ?? this.#written.get(uid)
    if (last !== undefined && isDeepStrictEqual(withoutTimes(last), withoutTimes(status))) return false
    this.#wanted.set(uid, { pod, status })
    void this.#work(uid)
    return true
  }

  /** Forgets all pods but these. */
  retain(uids: { has(uid: string): boolean }): void {
    for (const uid of this.#wanted.keys()) if (!uids.has(uid)) this.#wanted.delete(uid)
    for (const uid of this.#written.keys()) if (!uids.has(uid)) this.#written.delete(uid)
  }

  /** Never rejects. */
  async #work(uid: string): Promise<void> {
    if (this.#busy.has(uid)) return
    this.#busy.add(uid)
    for (let wanted = this.#wanted.get(uid); wanted !== undefined; wanted = this.#wanted.get(uid)) {
      const { pod, status } = wanted
      try {
        const body = { metadata: { uid }, status }
        await this.#access.patch(podRef(pod), 'merge', body, { subresource: 'status', fieldManager: MANAGER })
        this.#written.set(uid, status)
      } catch (error) {
        if (isOver(error)) this.#wanted.delete(uid)
        else {
          this.#logger.error('the status of a pod cannot be written, trying again', { uid, reason: reasonOf(error) })
          await sleep(this.#clock, RETRY_MS)
        }
        continue
      }
      if (this.#wanted.get(uid) === wanted) this.#wanted.delete(uid)
    }
    this.#busy.delete(uid)
  }
}

export function podRef({ metadata }: ApiObject): ObjectRef {
  return { group: '', resource: 'pods', namespace: metadata.namespace ?? '', name: metadata.name }
}

/** The pod is gone, or another has its name. */
export function isOver(error: unknown): boolean {
  return error instanceof ApiError && ['NotFound', 'Conflict'].includes(error.status.reason ?? '')
}

/** Times do not make a status another one. */
function withoutTimes(status: object): unknown {
  return JSON.parse(JSON.stringify(status, (key, value) => (key === 'lastTransitionTime' ? undefined : value)))
}
