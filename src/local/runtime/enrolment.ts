import { DEFAULT_EXCLUDED_NAMESPACES, decideEnrolment, type Namespace, type Pod } from '#shared/k8s'

/** Whether the pod shall be in the mesh, as its node's agent decides it, too. */
export function isEnrolled(pod: Pod, namespaces: readonly Namespace[]): boolean {
  const { namespace, labels, annotations } = pod.metadata
  const namespaceLabels = namespaces.find((each) => each.metadata.name === namespace)?.metadata.labels ?? {}
  const facts = {
    namespace,
    namespaceLabels,
    podLabels: labels,
    podAnnotations: annotations,
    isHostNetwork: pod.spec.hostNetwork,
  }
  return decideEnrolment(facts, DEFAULT_EXCLUDED_NAMESPACES).kind === 'enrolled'
}

/** Whether one pod is enrolled, which may change while something waits for its capture. */
export class Enrolment {
  #isEnrolled: boolean
  #change = new AbortController()

  constructor(isEnrolledNow: boolean) {
    this.#isEnrolled = isEnrolledNow
  }

  get isEnrolled(): boolean {
    return this.#isEnrolled
  }

  set(isEnrolledNow: boolean): void {
    if (isEnrolledNow === this.#isEnrolled) return
    this.#isEnrolled = isEnrolledNow
    this.#change.abort(new Error('enrolment changed'))
    this.#change = new AbortController()
  }

  /**
   * Resolves when what `capturing` waits for has come, or when the pod left the mesh meanwhile.
   * @throws the signal's reason
   */
  async captured(capturing: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (this.#isEnrolled) {
      try {
        return await capturing(AbortSignal.any([signal, this.#change.signal]))
      } catch (error) {
        if (signal.aborted) throw error
      }
    }
  }
}
