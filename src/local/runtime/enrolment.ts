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
