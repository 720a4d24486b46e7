import { isDeepStrictEqual } from 'node:util'
import { type ObjectSource, objectKey, type Pod } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import { type EnrolmentSettings, type PodPlan, planPod } from './enrolment.ts'

/** Follows the pods of this node and tells each pod's plan whenever it becomes another one. */
export class PodWatch implements Closer {
  readonly #settings: EnrolmentSettings
  readonly #onPlan: (plan: PodPlan) => void
  /** Labels by namespace. */
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>()
  /** By namespace and name; the uid says whether it is still the same pod. */
  readonly #pods = new Map<string, Pod>()
  /** By uid. */
  readonly #plans = new Map<string, PodPlan>()
  readonly #unsubscribes: readonly (() => void)[]

  /** Plans of what is there already come from within this call. */
  constructor(source: ObjectSource, settings: EnrolmentSettings, onPlan: (plan: PodPlan) => void) {
    this.#settings = settings
    this.#onPlan = onPlan
    this.#unsubscribes = [
      source.subscribe('Namespace', ({ type, object: { metadata } }) => {
        if (type === 'deleted') this.#namespaces.delete(metadata.name)
        else this.#namespaces.set(metadata.name, metadata.labels)
        for (const pod of this.#pods.values()) if (pod.metadata.namespace === metadata.name) this.#plan(pod)
      }),
      source.subscribe('Pod', ({ type, object: pod }) => {
        const before = this.#pods.get(objectKey(pod))
        if (before !== undefined && before.metadata.uid !== pod.metadata.uid) this.#forget(before)
        if (type === 'deleted') this.#forget(pod)
        else this.#plan(pod)
      }),
    ]
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.#unsubscribes) unsubscribe()
  }

  #plan(pod: Pod): void {
    const { uid, namespace } = pod.metadata
    const plan = planPod(pod, this.#namespaces.get(namespace) ?? {}, this.#settings)
    if (plan === undefined) {
      this.#forget(pod)
      return
    }
    this.#pods.set(objectKey(pod), pod)
    if (isDeepStrictEqual(plan, this.#plans.get(uid))) return
    this.#plans.set(uid, plan)
    this.#onPlan(plan)
  }

  #forget(pod: Pod): void {
    if (!this.#pods.delete(objectKey(pod))) return
    const { uid } = pod.metadata
    this.#plans.delete(uid)
    this.#onPlan({ kind: 'leave', uid, ips: pod.status.podIPs, because: 'deleted', hasEnded: true })
  }
}
