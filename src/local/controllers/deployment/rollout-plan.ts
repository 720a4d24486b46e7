import type { Deployment, ReplicaSet } from '../core/shapes.ts'
import { DESIRED_REPLICAS, MAX_REPLICAS } from './revisions.ts'
import { byAge } from './template.ts'

/** One set that shall have another size. */
export interface Scaling {
  readonly set: ReplicaSet
  readonly replicas: number
}

/** How far a rollout may go above and below the wanted number. */
export interface RolloutLimits {
  readonly surge: number
  readonly unavailable: number
}

export function sizeOf({ spec }: ReplicaSet | Deployment): number {
  return spec.replicas ?? 1
}

/** Per cent of the replicas: surge rounded up, unavailable down; a rollout that could not move may lose one pod. */
export function limitsOf(deployment: Deployment): RolloutLimits {
  const replicas = sizeOf(deployment)
  const { strategy } = deployment.spec
  if (strategy?.type === 'Recreate') return { surge: 0, unavailable: 0 }
  const surge = Math.ceil(scaled(strategy?.rollingUpdate?.maxSurge ?? '25%', replicas))
  const unavailable = Math.floor(scaled(strategy?.rollingUpdate?.maxUnavailable ?? '25%', replicas))
  if (replicas === 0) return { surge: 0, unavailable: 0 }
  return surge === 0 && unavailable === 0
    ? { surge, unavailable: 1 }
    : { surge, unavailable: Math.min(unavailable, replicas) }
}

/** The size that the new set may have now, given all sets. */
export function sizeOfNewSet(deployment: Deployment, current: number, allSets: readonly ReplicaSet[]): number {
  const wanted = sizeOf(deployment)
  if (current >= wanted || deployment.spec.strategy?.type === 'Recreate') return wanted
  const room = wanted + limitsOf(deployment).surge - sum(allSets, sizeOf)
  return current + Math.max(0, Math.min(room, wanted - current))
}

/**
 * How far the old sets may shrink now: pods that are not available go first, then available ones as long as enough
 * remain. Pods of the new set that are not yet available count as missing.
 */
export function shrinkOldSets(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): readonly Scaling[] {
  const minAvailable = sizeOf(deployment) - limitsOf(deployment).unavailable
  const newMissing = sizeOf(newSet) - availableOf(newSet)
  let mayGo = sum([newSet, ...oldSets], sizeOf) - minAvailable - newMissing
  if (mayGo <= 0) return []

  const sizes = new Map(oldSets.map((set) => [set, sizeOf(set)]))
  const shrink = (set: ReplicaSet, by: number): number => {
    sizes.set(set, (sizes.get(set) ?? 0) - by)
    return by
  }
  const sorted = [...oldSets].sort(byAge)
  for (const set of sorted) {
    mayGo -= shrink(set, Math.max(0, Math.min(mayGo, sizeOf(set) - availableOf(set))))
  }
  let spare = Math.min(mayGo, sum([newSet, ...oldSets], availableOf) - minAvailable)
  for (const set of sorted) {
    if (spare <= 0) break
    spare -= shrink(set, Math.min(spare, sizes.get(set) ?? 0))
  }
  return [...sizes].filter(([set, size]) => size !== sizeOf(set)).map(([set, replicas]) => ({ set, replicas }))
}

/** Whether the wanted number changed since the sets were last sized. */
export function isScalingEvent(deployment: Deployment, allSets: readonly ReplicaSet[]): boolean {
  return allSets.some(
    (set) => sizeOf(set) > 0 && (annotated(set, DESIRED_REPLICAS) ?? sizeOf(deployment)) !== sizeOf(deployment),
  )
}

/**
 * Sizes after `kubectl scale`, also in the middle of a rollout or while paused: every set keeps its share of the whole;
 * what rounding leaves over goes to the largest, and growth prefers the newest.
 */
export function shareOut(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): readonly Scaling[] {
  const wanted = sizeOf(deployment)
  const all = newSet === undefined ? oldSets : [...oldSets, newSet]
  const active = all.filter((set) => sizeOf(set) > 0)
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? [...oldSets].sort(byAge).at(-1)
    return only === undefined || isSized(only, wanted) ? [] : [{ set: only, replicas: wanted }]
  }
  if (newSet !== undefined && isSaturated(deployment, newSet)) {
    return oldSets.filter((set) => sizeOf(set) > 0).map((set) => ({ set, replicas: 0 }))
  }
  if (deployment.spec.strategy?.type === 'Recreate') return active.map((set) => ({ set, replicas: sizeOf(set) }))

  const allowed = wanted > 0 ? wanted + limitsOf(deployment).surge : 0
  const toAdd = allowed - sum(active, sizeOf)
  const youth = toAdd > 0 ? -1 : 1
  const sorted = [...active].sort((a, b) => sizeOf(b) - sizeOf(a) || youth * byAge(a, b))
  let added = 0
  const sizes = sorted.map((set) => {
    const share = shareOf(deployment, set, allowed, toAdd - added)
    added += share
    return sizeOf(set) + share
  })
  return sorted.flatMap((set, i) => {
    const replicas = Math.max(0, (sizes[i] ?? 0) + (i === 0 ? toAdd - added : 0))
    return replicas === sizeOf(set) && annotated(set, DESIRED_REPLICAS) === wanted ? [] : [{ set, replicas }]
  })
}

/** Of the change, what falls on one set; never more than is left of it. */
function shareOf(deployment: Deployment, set: ReplicaSet, allowed: number, left: number): number {
  if (left === 0) return 0
  const before = annotated(set, MAX_REPLICAS) ?? deployment.status?.replicas ?? 0
  if (before === 0) return 0
  const change = Math.round((sizeOf(set) * allowed) / before) - sizeOf(set)
  return left > 0 ? Math.max(0, Math.min(change, left)) : Math.min(0, Math.max(change, left))
}

/** Also by its annotation: a set that remembers another number would be taken for one that is being scaled, for ever. */
function isSized(set: ReplicaSet, wanted: number): boolean {
  return sizeOf(set) === wanted && (sizeOf(set) === 0 || annotated(set, DESIRED_REPLICAS) === wanted)
}

function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const wanted = sizeOf(deployment)
  return sizeOf(set) === wanted && annotated(set, DESIRED_REPLICAS) === wanted && availableOf(set) === wanted
}

function availableOf({ status }: ReplicaSet): number {
  return status?.availableReplicas ?? 0
}

function annotated({ metadata }: ReplicaSet, annotation: string): number | undefined {
  const text = metadata.annotations?.[annotation]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

function scaled(value: number | string, total: number): number {
  if (typeof value === 'number') return value
  return (Number.parseInt(value, 10) * total) / 100
}

function sum(sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number {
  return sets.reduce((total, set) => total + of(set), 0)
}
