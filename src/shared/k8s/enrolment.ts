/** What enrolment is decided from: labels and annotations of a pod, and labels of its namespace. */
export interface EnrolmentFacts {
  readonly namespace: string
  readonly namespaceLabels: Readonly<Record<string, string>>
  readonly podLabels: Readonly<Record<string, string>>
  readonly podAnnotations: Readonly<Record<string, string>>
  readonly isHostNetwork: boolean
}

export type Enrolment =
  | { readonly kind: 'enrolled'; readonly by: 'pod-label' | 'namespace-label' }
  | { readonly kind: 'not-enrolled'; readonly because: EnrolmentBar }

export type EnrolmentBar = 'host-network' | 'sidecar' | 'excluded-namespace' | 'pod-opted-out' | 'not-labelled'

/** Namespaces that are never enrolled unless the program is told others (EXCLUDE_NAMESPACES). */
export const DEFAULT_EXCLUDED_NAMESPACES: ReadonlySet<string> = new Set(['kube-system'])

const MODE_LABEL = 'istio.io/dataplane-mode'
const SIDECAR_ANNOTATION = 'sidecar.istio.io/status'

/**
 * Whether a pod's traffic belongs to the mesh. Pure, and the one place of this rule: the node agent redirects by it and
 * the control plane publishes the pod as reachable over HBONE by it, so that both always agree.
 *
 * Hard exclusions come first; then the pod's own label wins over its namespace's, both ways.
 *
 * @see istio-control-plane a.1
 */
export function decideEnrolment(facts: EnrolmentFacts, excludedNamespaces: ReadonlySet<string>): Enrolment {
  if (facts.isHostNetwork) return { kind: 'not-enrolled', because: 'host-network' }
  if (facts.podAnnotations[SIDECAR_ANNOTATION] !== undefined) return { kind: 'not-enrolled', because: 'sidecar' }
  if (excludedNamespaces.has(facts.namespace)) return { kind: 'not-enrolled', because: 'excluded-namespace' }
  const podMode = facts.podLabels[MODE_LABEL]
  if (podMode === 'ambient') return { kind: 'enrolled', by: 'pod-label' }
  if (podMode === 'none') return { kind: 'not-enrolled', because: 'pod-opted-out' }
  if (facts.namespaceLabels[MODE_LABEL] === 'ambient') return { kind: 'enrolled', by: 'namespace-label' }
  return { kind: 'not-enrolled', because: 'not-labelled' }
}
