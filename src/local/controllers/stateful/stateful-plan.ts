import { isActive, isFinished, isReady, missingReadyMs } from '../core/pods.ts'
import type { Pod, StatefulSet, StatefulSetStatus } from '../core/shapes.ts'
import { isOf } from '../daemon/daemon-plan.ts'

export interface StatefulPlan {
  /** Ordinals that get a pod. */
  readonly create: readonly number[]
  readonly remove: readonly Pod[]
}

/** `web-3` of `web`; undefined: no pod of this set. */
export function ordinalOf(set: StatefulSet, { metadata }: Pod): number | undefined {
  const { name } = set.metadata
  const digits = metadata.name.startsWith(`${name}-`) ? metadata.name.slice(name.length + 1) : ''
  return /^(0|[1-9]\d{0,8})$/.test(digits) ? Number(digits) : undefined
}

/**
 * The next steps. In order: a pod comes when all before it are available, goes when all that stay are, from the last to
 * the first, and is replaced when nothing else is to be done, from the last to the first, one at a time. In parallel the
 * first two happen at once. A pod of an older template that is not available is replaced without waiting for it.
 */
export function planStateful(set: StatefulSet, revision: string, pods: readonly Pod[], nowMs: number): StatefulPlan {
  const isOrdered = set.spec.podManagementPolicy !== 'Parallel'
  const isAvailable = (pod: Pod | undefined): boolean =>
    pod !== undefined && isActive(pod) && missingReadyMs(pod, set.spec.minReadySeconds ?? 0, nowMs) === 0
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]))
  const wanted = ordinals(set)
  const condemned = pods
    .filter((pod) => !wanted.includes(ordinalOf(set, pod) ?? -1))
    .sort((a, b) => (ordinalOf(set, b) ?? -1) - (ordinalOf(set, a) ?? -1))

  const create: number[] = []
  const remove: Pod[] = []
  const rolls = (set.spec.updateStrategy?.type ?? 'RollingUpdate') === 'RollingUpdate'
  for (const ordinal of wanted) {
    const pod = byOrdinal.get(ordinal)
    if (isAvailable(pod)) continue
    if (pod === undefined) create.push(ordinal)
    else if (isLeavable(pod) && (isFinished(pod) || (rolls && !isOf(pod, revision)))) remove.push(pod)
    if (isOrdered) return { create, remove }
  }
  const leaving = condemned.filter(isLeavable)
  // One that is still going holds those before it.
  if (isOrdered && condemned.length > leaving.length) return { create, remove }
  if (condemned.length > 0) return { create, remove: [...remove, ...(isOrdered ? leaving.slice(0, 1) : leaving)] }
  if (!rolls || create.length + remove.length > 0) return { create, remove }
  for (const ordinal of [...wanted].reverse()) {
    const pod = byOrdinal.get(ordinal)
    if (!isAvailable(pod) || pod === undefined) break
    if (!isOf(pod, revision)) return { create, remove: [pod] }
  }
  return { create, remove }
}

export function statefulStatus(
  set: StatefulSet,
  revision: string,
  pods: readonly Pod[],
  nowMs: number,
): { readonly status: StatefulSetStatus; readonly againMs: number | undefined } {
  const active = pods.filter(isActive)
  const missing = active.map((pod) => missingReadyMs(pod, set.spec.minReadySeconds ?? 0, nowMs))
  const soon = missing.filter((ms) => ms !== undefined && ms > 0) as readonly number[]
  const ready = active.filter(isReady).length
  const updated = active.filter((pod) => isOf(pod, revision)).length
  const isDone = updated === active.length && ready === active.length && active.length === (set.spec.replicas ?? 1)
  const name = `${set.metadata.name}-${revision}`
  const current = isDone ? name : (set.status?.currentRevision ?? name)
  return {
    status: {
      replicas: active.length,
      readyReplicas: ready,
      availableReplicas: missing.filter((ms) => ms === 0).length,
      currentReplicas: current === name ? updated : active.length - updated,
      updatedReplicas: updated,
      currentRevision: current,
      updateRevision: name,
      observedGeneration: set.metadata.generation ?? 0,
    },
    againMs: soon.length === 0 ? undefined : Math.min(...soon),
  }
}

function ordinals({ spec }: StatefulSet): readonly number[] {
  const start = spec.ordinals?.start ?? 0
  return Array.from({ length: spec.replicas ?? 1 }, (_, i) => start + i)
}

function isLeavable({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp === undefined
}
