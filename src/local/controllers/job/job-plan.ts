import { conditionOf } from '../core/conditions.ts'
import { isDeleting } from '../core/kinds.ts'
import { isActive, isFinished, isReady } from '../core/pods.ts'
import type { Job, JobStatus, Pod } from '../core/shapes.ts'

/** On every pod of a job until it has been counted, so that a pod that is deleted counts too. */
export const TRACKING = 'batch.kubernetes.io/job-tracking'
export const INDEX = 'batch.kubernetes.io/job-completion-index'

const DEFAULT_BACKOFF_LIMIT = 6
const FIRST_RETRY_MS = 10_000
const MAX_RETRY_MS = 600_000

/** How a job ends. */
export interface JobEnd {
  readonly type: 'Complete' | 'Failed'
  readonly reason: string
  readonly message: string
}

export type JobPlan =
  | { readonly kind: 'finish'; readonly end: JobEnd; readonly remove: readonly Pod[] }
  | { readonly kind: 'suspend'; readonly remove: readonly Pod[] }
  | { readonly kind: 'rest'; readonly againMs: number | undefined }
  | { readonly kind: 'remove'; readonly remove: readonly Pod[] }
  /** With an index each when the job is indexed. */
  | { readonly kind: 'create'; readonly count: number; readonly indexes: readonly number[] | undefined }

/** Finished pods that were counted, and those that still carry the finalizer. */
export interface JobCount {
  readonly succeeded: number
  readonly failed: number
  readonly indexes: ReadonlySet<number>
}

export function isOver({ status }: Job): boolean {
  return endOf(status) !== undefined
}

export function endOf(status: JobStatus | undefined): 'Complete' | 'Failed' | undefined {
  for (const type of ['Complete', 'Failed'] as const) {
    if (conditionOf(status?.conditions, type)?.status === 'True') return type
  }
  return undefined
}

/**
 * Who ended since the last count. A pod that is being deleted before it ended has failed, as nobody will know how it
 * would have ended.
 */
export function newlyEnded(
  pods: readonly Pod[],
  status: JobStatus | undefined,
): { readonly succeeded: Pod[]; readonly failed: Pod[] } {
  const { succeeded: s = [], failed: f = [] } = status?.uncountedTerminatedPods ?? {}
  const counting = new Set([...s, ...f])
  const ended = pods.filter(
    (pod) =>
      pod.metadata.finalizers?.includes(TRACKING) &&
      !counting.has(pod.metadata.uid ?? '') &&
      (isFinished(pod) || isDeleting(pod)),
  )
  return {
    succeeded: ended.filter((pod) => pod.status?.phase === 'Succeeded'),
    failed: ended.filter((pod) => pod.status?.phase !== 'Succeeded'),
  }
}

/** What to do next, given the pods that are there and all that was counted so far. */
export function planJob(job: Job, pods: readonly Pod[], count: JobCount, nowMs: number): JobPlan {
  const { spec, status } = job
  const active = pods.filter(isActive)
  const parallelism = spec.parallelism ?? 1
  const end = endReached(job, active, count, nowMs)
  if (end !== undefined) return { kind: 'finish', end, remove: active }
  if (spec.suspend === true) return { kind: 'suspend', remove: active }

  const left = spec.completions === undefined ? parallelism : spec.completions - doneOf(job, count)
  // A work queue (no completions): once one has succeeded, no new ones start.
  const isWindingDown = spec.completions === undefined && count.succeeded > 0
  const wanted = isWindingDown ? active.length : Math.max(0, Math.min(parallelism, left))
  if (active.length > wanted) {
    // Those that do nothing yet first.
    const sorted = [...active].sort((a, b) => Number(isReady(a)) - Number(isReady(b)))
    return { kind: 'remove', remove: sorted.slice(0, active.length - wanted) }
  }
  const deadline = deadlineInMs(job, nowMs)
  if (active.length === wanted) return { kind: 'rest', againMs: deadline }
  const waitMs = retryInMs(pods, count.failed, status, nowMs)
  if (waitMs > 0) return { kind: 'rest', againMs: Math.min(waitMs, deadline ?? waitMs) }
  const missing = wanted - active.length
  if (spec.completionMode !== 'Indexed') return { kind: 'create', count: missing, indexes: undefined }
  const indexes = freeIndexes(spec.completions ?? 0, active, count.indexes).slice(0, missing)
  return { kind: 'create', count: indexes.length, indexes }
}

export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[INDEX]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/** `0-2,5`, as the status and `kubectl describe` write it. */
export function formatIndexes(indexes: ReadonlySet<number>): string {
  const sorted = [...indexes].sort((a, b) => a - b)
  const runs: [number, number][] = []
  for (const index of sorted) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === index - 1) last[1] = index
    else runs.push([index, index])
  }
  return runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',')
}

export function parseIndexes(text = ''): Set<number> {
  const indexes = new Set<number>()
  for (const run of text.split(',').filter(Boolean)) {
    const [from = 0, to = from] = run.split('-').map(Number)
    for (let index = from; index <= to; index++) indexes.add(index)
  }
  return indexes
}

function doneOf({ spec }: Job, count: JobCount): number {
  return spec.completionMode === 'Indexed' ? count.indexes.size : count.succeeded
}

function endReached(job: Job, active: readonly Pod[], count: JobCount, nowMs: number): JobEnd | undefined {
  const { completions, backoffLimit = DEFAULT_BACKOFF_LIMIT } = job.spec
  if (count.failed > backoffLimit || hasRestartedTooOften(job, active, backoffLimit)) {
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  }
  const deadline = deadlineInMs(job, nowMs)
  if (deadline !== undefined && deadline <= 0) {
    return { type: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
  }
  const isDone =
    completions === undefined ? count.succeeded > 0 && active.length === 0 : doneOf(job, count) >= completions
  return isDone
    ? { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
    : undefined
}

/** Pods that restart on failure never fail; there the tries are the restarts of their containers. */
function hasRestartedTooOften({ spec }: Job, active: readonly Pod[], backoffLimit: number): boolean {
  if (spec.template.spec.restartPolicy !== 'OnFailure') return false
  const restarts = active
    .flatMap(({ status }) => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])])
    .reduce((sum, { restartCount = 0 }) => sum + restartCount, 0)
  return restarts > 0 && restarts >= backoffLimit
}

function deadlineInMs({ spec, status }: Job, nowMs: number): number | undefined {
  if (spec.activeDeadlineSeconds === undefined || status?.startTime === undefined || spec.suspend === true)
    return undefined
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - nowMs
}

/** After a failed pod the next one waits 10 s, 20 s, 40 s… */
function retryInMs(pods: readonly Pod[], failed: number, status: JobStatus | undefined, nowMs: number): number {
  if (failed === 0) return 0
  const ends = pods.filter((pod) => pod.status?.phase === 'Failed').map(endedMs)
  const lastMs = Math.max(0, ...ends, Date.parse(status?.startTime ?? '') || 0)
  return lastMs + Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failed - 1, 10)) - nowMs
}

function endedMs(pod: Pod): number {
  const statuses = (pod.status?.containerStatuses ?? []) as readonly {
    readonly state?: { readonly terminated?: { readonly finishedAt?: string } }
  }[]
  const times = statuses.map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? '') || 0)
  const ready = conditionOf(pod.status?.conditions, 'Ready')?.lastTransitionTime
  return Math.max(0, ...times) || Date.parse(ready ?? pod.metadata.creationTimestamp ?? '') || 0
}

function freeIndexes(completions: number, active: readonly Pod[], done: ReadonlySet<number>): readonly number[] {
  const taken = new Set([...done, ...active.map(indexOf)])
  return Array.from({ length: completions }, (_, index) => index).filter((index) => !taken.has(index))
}
