import type { Deployment, Labels, ReplicaSet } from '../core/shapes.ts'
import { byAge } from './template.ts'

export const REVISION = 'deployment.kubernetes.io/revision'
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history'
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas'
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas'

/** Of a deployment's annotations those that say nothing about its sets. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
])
/** Characters of the list of former revisions; the oldest are dropped. */
const MAX_HISTORY_CHARS = 2_000
const DEFAULT_HISTORY = 10

/** 0 when it has none. */
export function revisionOf({ metadata }: ReplicaSet | Deployment): number {
  const revision = Number(metadata.annotations?.[REVISION] ?? 0)
  return Number.isSafeInteger(revision) ? revision : 0
}

/** The revision that the new set gets: behind all others. */
export function nextRevision(oldSets: readonly ReplicaSet[]): number {
  return Math.max(0, ...oldSets.map(revisionOf)) + 1
}

/**
 * Annotations of the new set: the deployment's, its revision, and, when an old template came back (a rollback), the
 * revisions that it had before.
 */
export function setAnnotations(deployment: Deployment, revision: number, current: ReplicaSet | undefined): Labels {
  const copied = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key))
  const old = current?.metadata.annotations ?? {}
  const before = current === undefined ? 0 : revisionOf(current)
  if (before >= revision) return { ...old, ...Object.fromEntries(copied) }
  const history = [...(old[REVISION_HISTORY] ?? '').split(',').filter(Boolean), ...(before === 0 ? [] : [`${before}`])]
  while (history.join().length > MAX_HISTORY_CHARS) history.shift()
  return {
    ...old,
    ...Object.fromEntries(copied),
    [REVISION]: `${revision}`,
    ...(history.length === 0 ? {} : { [REVISION_HISTORY]: history.join() }),
  }
}

/** Old sets beyond the limit that run nothing: the oldest revisions first. */
export function expendableSets(deployment: Deployment, oldSets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const excess = oldSets.length - (deployment.spec.revisionHistoryLimit ?? DEFAULT_HISTORY)
  if (excess <= 0) return []
  return [...oldSets]
    .sort((a, b) => revisionOf(a) - revisionOf(b) || byAge(a, b))
    .slice(0, excess)
    .filter(
      ({ spec, status, metadata }) =>
        spec.replicas === 0 &&
        (status?.replicas ?? 0) === 0 &&
        (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
        metadata.deletionTimestamp === undefined,
    )
}
