import { conditionOf } from '../core/conditions.ts'
import { controllerOf } from '../core/kinds.ts'
import { meets } from '../core/label-selector.ts'
import { isFinished } from '../core/pods.ts'
import type { NodeObject, Pod } from '../core/shapes.ts'

export type NodeChoice =
  | { readonly kind: 'node'; readonly name: string }
  /** In the scheduler's usual words: `0/2 nodes are available: 1 node(s) were unschedulable, …`. */
  | { readonly kind: 'none'; readonly message: string }

/**
 * Spreads pods: of the nodes that may take it, the one with the fewest pods of the same controller, then with the
 * fewest pods at all, then the first by name. Resource requests do not count: all nodes are one machine.
 */
export function chooseNode(pod: Pod, nodes: readonly NodeObject[], pods: readonly Pod[]): NodeChoice {
  const refusals = new Map<string, number>()
  const open: NodeObject[] = []
  for (const node of nodes) {
    const refusal = refusalOf(node, pod)
    if (refusal === undefined) open.push(node)
    else refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1)
  }
  if (open.length === 0) {
    const reasons = [...refusals].map(([refusal, count]) => `${count} node(s) ${refusal}`).join(', ')
    const message = `0/${nodes.length} nodes are available${reasons === '' ? '' : `: ${reasons}`}.`
    return { kind: 'none', message }
  }
  const owner = controllerOf(pod)?.uid
  const load = new Map(open.map((node) => [node.metadata.name, { siblings: 0, all: 0 }]))
  for (const other of pods) {
    const at = load.get(other.spec.nodeName ?? '')
    if (at === undefined || isFinished(other)) continue
    at.all++
    if (owner !== undefined && controllerOf(other)?.uid === owner) at.siblings++
  }
  const [best] = [...load].sort(
    ([aName, a], [bName, b]) => a.siblings - b.siblings || a.all - b.all || (aName < bName ? -1 : 1),
  )
  return { kind: 'node', name: best?.[0] ?? '' }
}

/** Why a node cannot take the pod; undefined: it can. */
export function refusalOf(node: NodeObject, pod: Pick<Pod, 'spec'>): string | undefined {
  if (conditionOf(node.status?.conditions, 'Ready')?.status !== 'True') return 'were not ready'
  const tolerates = (taint: { readonly key: string; readonly value?: string; readonly effect: string }): boolean =>
    (pod.spec.tolerations ?? []).some(
      ({ key, operator = 'Equal', value, effect }) =>
        (effect === undefined || effect === '' || effect === taint.effect) &&
        (operator === 'Exists' ? key === undefined || key === taint.key : key === taint.key && value === taint.value),
    )
  if (
    node.spec?.unschedulable === true &&
    !tolerates({ key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' })
  ) {
    return 'were unschedulable'
  }
  const untolerated = (node.spec?.taints ?? []).find(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(taint),
  )
  if (untolerated !== undefined) return `had untolerated taint {${untolerated.key}: ${untolerated.value ?? ''}}`
  return matchesAffinity(node, pod) ? undefined : "didn't match Pod's node affinity/selector"
}

function matchesAffinity(node: NodeObject, { spec }: Pick<Pod, 'spec'>): boolean {
  const labels = node.metadata.labels ?? {}
  const isSelected = Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  if (!isSelected || required === undefined) return isSelected
  return required.some(({ matchExpressions = [], matchFields = [] }) => {
    if (matchExpressions.length + matchFields.length === 0) return false
    const fields = { 'metadata.name': node.metadata.name }
    return (
      matchExpressions.every((requirement) => meets(requirement, labels)) &&
      matchFields.every((requirement) => meets(requirement, fields))
    )
  })
}
