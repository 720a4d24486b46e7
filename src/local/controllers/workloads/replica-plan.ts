import { selects } from '../core/label-selector.ts'
import { isActive, isReady, missingReadyMs, readySinceMs } from '../core/pods.ts'
import type { Pod, ReplicaSet } from '../core/shapes.ts'

export type ReplicaPlan =
  | { readonly kind: 'enough' }
  | { readonly kind: 'create'; readonly count: number }
  | { readonly kind: 'delete'; readonly pods: readonly Pod[] }

const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'

/** What is missing to the number of replicas; pods that end or go away do not count. */
export function planReplicas(wanted: number, pods: readonly Pod[]): ReplicaPlan {
  const active = pods.filter(isActive)
  if (active.length < wanted) return { kind: 'create', count: wanted - active.length }
  if (active.length === wanted) return { kind: 'enough' }
  return { kind: 'delete', pods: [...active].sort(byDispensability).slice(0, active.length - wanted) }
}

/** Status fields that follow from the pods, and when time alone will change them. */
export function replicaStatus(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  nowMs: number,
): {
  readonly status: Required<Omit<NonNullable<ReplicaSet['status']>, 'conditions'>>
  readonly againMs: number | undefined
} {
  const active = pods.filter(isActive)
  const missing = active.map((pod) => missingReadyMs(pod, replicaSet.spec.minReadySeconds ?? 0, nowMs))
  const soon = missing.filter((ms) => ms !== undefined && ms > 0) as readonly number[]
  return {
    status: {
      replicas: active.length,
      fullyLabeledReplicas: active.filter(({ metadata }) =>
        selects({ matchLabels: replicaSet.spec.template.metadata?.labels ?? {} }, metadata.labels),
      ).length,
      readyReplicas: active.filter(isReady).length,
      availableReplicas: missing.filter((ms) => ms === 0).length,
      observedGeneration: replicaSet.metadata.generation ?? 0,
    },
    againMs: soon.length === 0 ? undefined : Math.min(...soon),
  }
}

/** First goes what serves least: Kubernetes' order, which users know from `kubectl scale`. */
function byDispensability(a: Pod, b: Pod): number {
  return (
    Number(isAssigned(a)) - Number(isAssigned(b)) ||
    phaseRank(a) - phaseRank(b) ||
    Number(isReady(a)) - Number(isReady(b)) ||
    costOf(a) - costOf(b) ||
    // The one that has been ready for less time goes first.
    (readySinceMs(b) ?? 0) - (readySinceMs(a) ?? 0) ||
    restartsOf(b) - restartsOf(a) ||
    createdMs(b) - createdMs(a) ||
    // Times have whole seconds: names keep the order the same from run to run.
    (a.metadata.name < b.metadata.name ? 1 : -1)
  )
}

function isAssigned({ spec }: Pod): boolean {
  return (spec.nodeName ?? '') !== ''
}

function phaseRank({ status }: Pod): number {
  return ['Pending', 'Unknown', 'Running'].indexOf(status?.phase ?? 'Pending')
}

function costOf({ metadata }: Pod): number {
  const cost = Number(metadata.annotations?.[DELETION_COST] ?? 0)
  return Number.isInteger(cost) ? cost : 0
}

function restartsOf({ status }: Pod): number {
  return Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount ?? 0))
}

function createdMs({ metadata }: Pod): number {
  return Date.parse(metadata.creationTimestamp ?? '') || 0
}
