import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { ObjectSource, Pod } from '#shared/k8s'
import { isStatus, type KubeClient } from '#shared/kube-client'
import { type Closer, Reconciler } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'

/**
 * `enabled`: redirected, and a tunnel has acknowledged it; the control plane then sends others through its tunnel.
 * `pending`: redirected, but without a tunnel it has no network. `none`: it does not belong to the mesh.
 */
export type PodMark = 'enabled' | 'pending' | 'none'

export interface PodMarksParts {
  readonly objects: ObjectSource
  readonly client: Pick<KubeClient, 'mergePatch'>
  readonly clock: Clock
  readonly logger: Logger
}

const REDIRECTION = 'ambient.istio.io/redirection'
const PODS = { apiVersion: 'v1', kind: 'Pod', resource: 'pods', namespaced: true }
/** Pods that are written to at once. */
const CONCURRENCY = 4

/**
 * Writes on each pod of this node how far it is captured, as Istio's node agent does: a merge patch of the annotation on
 * the status, for which the agent needs the least rights. What somebody else writes there is put right.
 */
export class PodMarks implements Closer {
  readonly #parts: PodMarksParts
  /** What shall be written, by uid; a pod that nothing was said of yet is left as it is. */
  readonly #wanted = new Map<string, PodMark>()
  /** What there is, by uid. */
  readonly #pods = new Map<string, Pod>()
  readonly #reconciler: Reconciler
  readonly #unsubscribe: () => void

  constructor(parts: PodMarksParts) {
    this.#parts = parts
    this.#reconciler = new Reconciler({
      clock: parts.clock,
      reconcile: (uid) => this.#write(uid),
      onFailure: (uid, error) =>
        parts.logger.warn('it cannot be written on a pod how far it is captured', { uid, reason: reasonOf(error) }),
      concurrency: CONCURRENCY,
      firstRetryMs: 50,
      maxRetryMs: 30_000,
    })
    this.#unsubscribe = parts.objects.subscribe('Pod', ({ type, object }) => {
      const { uid } = object.metadata
      if (type === 'deleted') {
        this.#pods.delete(uid)
        this.#wanted.delete(uid)
      } else {
        this.#pods.set(uid, object)
        this.#reconciler.ask(uid)
      }
    })
  }

  set(uid: string, mark: PodMark): void {
    // It is gone, and so is what could be written on it.
    if (!this.#pods.has(uid)) return
    this.#wanted.set(uid, mark)
    this.#reconciler.ask(uid)
  }

  /** Marks stay: captured pods stay captured while this program is exchanged. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await this.#reconciler.close()
  }

  async #write(uid: string): Promise<void> {
    const pod = this.#pods.get(uid)
    const mark = this.#wanted.get(uid)
    if (pod === undefined || mark === undefined) return
    const value = mark === 'none' ? undefined : mark
    if (pod.metadata.annotations[REDIRECTION] === value) return
    const { name, namespace } = pod.metadata
    // The uid keeps a new pod of the same name from being taken for this one.
    const patch = { metadata: { uid, annotations: { [REDIRECTION]: value ?? null } } }
    try {
      await this.#parts.client.mergePatch(PODS, { name, namespace }, patch, { subresource: 'status' })
      this.#parts.logger.debug('pod is marked', { pod: `${namespace}/${name}`, mark })
    } catch (error) {
      // The pod is gone, or another one has its name by now: its own events tell.
      if (!isStatus(error, 404, 409, 422)) throw error
    }
  }
}
