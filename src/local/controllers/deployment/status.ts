import { conditionOf, withCondition, withoutCondition } from '../core/conditions.ts'
import type { Condition, Deployment, ReplicaSet } from '../core/shapes.ts'
import { limitsOf, sizeOf } from './rollout-plan.ts'

type Status = NonNullable<Deployment['status']>

/** What happened to the new set in this run; undefined: nothing new. */
export type NewSetNews = 'created' | 'found' | undefined

const DEFAULT_DEADLINE_SECONDS = 600
const OPTIONS = { withUpdateTime: true }

/** The deployment's status from its sets, as `kubectl rollout status` and `kubectl wait` read it. */
export function deploymentStatus(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
  news: NewSetNews,
  nowMs: number,
): { readonly status: Status; readonly againMs: number | undefined } {
  const all = newSet === undefined ? oldSets : [...oldSets, newSet]
  const total = (of: (set: ReplicaSet) => number | undefined): number =>
    all.reduce((sum, set) => sum + (of(set) ?? 0), 0)
  const available = total(({ status }) => status?.availableReplicas)
  const collisionCount = deployment.status?.collisionCount
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total(({ status }) => status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: total(({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(sizeOf) - available),
    ...(collisionCount === undefined ? {} : { collisionCount }),
  }
  const conditions = withFailure(
    withAvailability(deployment, available, withProgress(deployment, newSet, counts, news, nowMs), nowMs),
    all,
  )
  return { status: { ...counts, conditions }, againMs: deadlineInMs(deployment, conditions, nowMs) }
}

/** All replicas run the new template and are available, and nothing old is left. */
export function isComplete(deployment: Deployment, status: Status): boolean {
  const wanted = sizeOf(deployment)
  return (
    status.updatedReplicas === wanted &&
    status.replicas === wanted &&
    status.availableReplicas === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

function withProgress(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  counts: Status,
  news: NewSetNews,
  nowMs: number,
): readonly Condition[] {
  const old = deployment.status?.conditions ?? []
  const current = conditionOf(old, 'Progressing')
  const set = (status: Condition['status'], reason: string, message: string): readonly Condition[] =>
    withCondition(old, { type: 'Progressing', status, reason, message }, nowMs, OPTIONS)

  if (deployment.spec.paused === true) return set('Unknown', 'DeploymentPaused', 'Deployment is paused')
  if (current?.reason === 'DeploymentPaused') return set('Unknown', 'DeploymentResumed', 'Deployment is resumed')
  const name = newSet?.metadata.name ?? deployment.metadata.name
  if (news === 'created') return set('True', 'NewReplicaSetCreated', `Created new replica set "${name}"`)
  if (news === 'found') return set('True', 'FoundNewReplicaSet', `Found new replica set "${name}"`)
  if (isComplete(deployment, counts)) {
    return set('True', 'NewReplicaSetAvailable', `ReplicaSet "${name}" has successfully progressed.`)
  }
  // A finished rollout that loses a pod is no rollout: it does not run into the deadline.
  const isFinished = current?.reason === 'NewReplicaSetAvailable' && counts.replicas === counts.updatedReplicas
  if (isFinished) return old
  if (isProgressing(deployment.status ?? {}, counts)) {
    // A new update time each time: the deadline runs from the last progress.
    const message = `ReplicaSet "${name}" is progressing.`
    const progressing = { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message } as const
    return withCondition(old, progressing, nowMs, { ...OPTIONS, isTouched: true })
  }
  if (current !== undefined && nowMs >= deadlineMs(deployment, current)) {
    return set('False', 'ProgressDeadlineExceeded', `ReplicaSet "${name}" has timed out progressing.`)
  }
  return old
}

function isProgressing(before: Status, now: Status): boolean {
  const more = (field: 'updatedReplicas' | 'readyReplicas' | 'availableReplicas'): boolean =>
    (now[field] ?? 0) > (before[field] ?? 0)
  const oldOnes = (status: Status): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return more('updatedReplicas') || more('readyReplicas') || more('availableReplicas') || oldOnes(now) < oldOnes(before)
}

function withAvailability(
  deployment: Deployment,
  available: number,
  conditions: readonly Condition[],
  nowMs: number,
): readonly Condition[] {
  const isEnough = available >= sizeOf(deployment) - limitsOf(deployment).unavailable
  const reason = isEnough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable'
  const message = `Deployment ${isEnough ? 'has' : 'does not have'} minimum availability.`
  const status = isEnough ? 'True' : 'False'
  return withCondition(conditions, { type: 'Available', status, reason, message }, nowMs, OPTIONS)
}

function withFailure(conditions: readonly Condition[], sets: readonly ReplicaSet[]): readonly Condition[] {
  const failure = sets.map(({ status }) => conditionOf(status?.conditions, 'ReplicaFailure')).find(Boolean)
  const others = withoutCondition(conditions, 'ReplicaFailure')
  return failure === undefined ? others : [...others, failure]
}

/** Epoch ms. */
function deadlineMs({ spec }: Deployment, progressing: Condition): number {
  const fromMs = Date.parse(progressing.lastUpdateTime ?? progressing.lastTransitionTime ?? '')
  return fromMs + (spec.progressDeadlineSeconds ?? DEFAULT_DEADLINE_SECONDS) * 1000
}

function deadlineInMs(deployment: Deployment, conditions: readonly Condition[], nowMs: number): number | undefined {
  const progressing = conditionOf(conditions, 'Progressing')
  const isOpen = progressing?.status === 'True' && progressing.reason !== 'NewReplicaSetAvailable'
  return isOpen ? Math.max(0, deadlineMs(deployment, progressing) - nowMs) : undefined
}
