import { ApiError } from '../../apiserver/index.ts'
import { withCondition, withoutCondition, writeStatus } from '../core/conditions.ts'
import type { Controller, Environment } from '../core/controller.ts'
import { EventRecorder } from '../core/events.ts'
import {
  controllerOf,
  isDeleting,
  JOBS,
  keyOfController,
  listOf,
  ownKey,
  PODS,
  read,
  refTo,
  timeText,
} from '../core/kinds.ts'
import { isActive, isReady } from '../core/pods.ts'
import type { Job, JobStatus, Pod } from '../core/shapes.ts'
import { inGrowingGroups, podOfTemplate } from '../workloads/pods-of-template.ts'
import {
  endOf,
  formatIndexes,
  INDEX,
  indexOf,
  isOver,
  type JobCount,
  type JobEnd,
  newlyEnded,
  parseIndexes,
  planJob,
  TRACKING,
} from './job-plan.ts'

const MANAGER = 'job-controller'

/**
 * Runs pods until enough have succeeded. Each ended pod is counted exactly once: first its uid is written into the
 * status, then its finalizer goes, then the uid becomes a number; a crash between any two of them loses nothing.
 */
export function jobs(environment: Environment): Controller {
  const { access, clock } = environment
  const events = new EventRecorder(environment, MANAGER)

  return {
    name: 'job',
    watches: [
      { kind: JOBS, keysOf: ownKey },
      { kind: PODS, keysOf: keyOfController(JOBS) },
    ],
    async reconcile(key) {
      const job = read(access, JOBS, key)
      if (job === undefined) {
        await releaseAll(key)
        return undefined
      }
      const pods = podsOf(job)
      if (isDeleting(job)) {
        await release(pods)
        return undefined
      }
      const { status, settled } = count(job, pods)
      await writeStatus(access, job, withLive(status, podsOf(job)), MANAGER)
      await release(pods.filter(({ metadata }) => settled.has(metadata.uid ?? '')))
      // The release of finalizers brings the next run; nothing is decided on half a count.
      if (settled.size > 0) return 0
      const counted = read(access, JOBS, key)
      if (counted === undefined) return undefined
      return isOver(counted) ? expire(counted) : step(counted, podsOf(counted))
    },
  }

  function podsOf({ metadata }: Job): readonly Pod[] {
    return listOf(access, PODS, metadata.namespace ?? '').filter((pod) => controllerOf(pod)?.uid === metadata.uid)
  }

  async function step(job: Job, pods: readonly Pod[]): Promise<number | undefined> {
    const total: JobCount = {
      succeeded: job.status?.succeeded ?? 0,
      failed: job.status?.failed ?? 0,
      indexes: parseIndexes(job.status?.completedIndexes),
    }
    const plan = planJob(job, pods, total, clock.nowMs())
    switch (plan.kind) {
      case 'finish':
        await removePods(plan.remove)
        await finish(job, plan.end)
        return 0
      case 'suspend':
        await removePods(plan.remove)
        await markSuspended(job)
        return undefined
      case 'remove':
        await removePods(plan.remove)
        return undefined
      case 'create':
        await start(job)
        await createPods(job, plan.count, plan.indexes)
        return 0
      case 'rest':
        return plan.againMs
    }
  }

  async function createPods(job: Job, number: number, indexes: readonly number[] | undefined): Promise<void> {
    const wanted = indexes ?? Array.from({ length: number }, () => undefined)
    await inGrowingGroups(wanted, async (index) => {
      const made = await access.create(jobPod(job, index), { fieldManager: MANAGER })
      const message = `Created pod: ${made.metadata.name}`
      await events.record(job, { type: 'Normal', reason: 'SuccessfulCreate', message })
    })
  }

  /** Marks the beginning, from which the deadline runs. */
  async function start(job: Job): Promise<void> {
    const isSuspended = job.status?.conditions?.some(({ type, status }) => type === 'Suspended' && status === 'True')
    if (job.status?.startTime !== undefined && isSuspended !== true) return
    const conditions = isSuspended
      ? withCondition(
          job.status?.conditions,
          { type: 'Suspended', status: 'False', reason: 'JobResumed', message: 'Job resumed' },
          clock.nowMs(),
        )
      : job.status?.conditions
    await patchStatus(job, { startTime: timeText(clock.nowMs()), ...(conditions === undefined ? {} : { conditions }) })
  }

  async function markSuspended(job: Job): Promise<void> {
    const suspended = { type: 'Suspended', status: 'True', reason: 'JobSuspended', message: 'Job suspended' } as const
    const conditions = withCondition(job.status?.conditions, suspended, clock.nowMs())
    if (conditions === job.status?.conditions) return
    await patchStatus(job, { conditions, startTime: null })
  }

  async function finish(job: Job, { type, reason, message }: JobEnd): Promise<void> {
    const now = clock.nowMs()
    const rest = withoutCondition(job.status?.conditions, 'Suspended')
    const conditions = withCondition(rest, { type, status: 'True', reason, message }, now)
    await patchStatus(job, { conditions, ...(type === 'Complete' ? { completionTime: timeText(now) } : {}) })
    const note =
      type === 'Complete'
        ? { type: 'Normal', reason: 'Completed', message: 'Job completed' }
        : { type: 'Warning', reason, message }
    await events.record(job, note as Parameters<EventRecorder['record']>[1])
  }

  async function patchStatus(job: Job, status: object): Promise<void> {
    const { uid } = job.metadata
    const change = { metadata: { uid }, status }
    await access.patch(refTo(JOBS, job), 'merge', change, { subresource: 'status', fieldManager: MANAGER })
  }

  /** After its time to live a finished job goes with its pods. */
  async function expire(job: Job): Promise<number | undefined> {
    const { ttlSecondsAfterFinished: seconds } = job.spec
    const end = job.status?.conditions?.find(({ type }) => type === endOf(job.status))
    if (seconds === undefined || end?.lastTransitionTime === undefined) return undefined
    const leftMs = Date.parse(end.lastTransitionTime) + seconds * 1000 - clock.nowMs()
    if (leftMs > 0) return leftMs
    const { uid } = job.metadata
    await access.delete(refTo(JOBS, job), { propagationPolicy: 'Foreground', preconditions: { uid } })
    return undefined
  }

  async function removePods(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      await tolerant(access.delete(refTo(PODS, pod), { preconditions: { uid: pod.metadata.uid } }))
    }
  }

  async function release(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) {
      const { uid, finalizers = [] } = pod.metadata
      if (!finalizers.includes(TRACKING)) continue
      const left = finalizers.filter((finalizer) => finalizer !== TRACKING)
      await tolerant(access.patch(refTo(PODS, pod), 'merge', { metadata: { uid, finalizers: left } }))
    }
  }

  /** Pods whose job is gone: nobody counts them any more. */
  async function releaseAll(key: string): Promise<void> {
    const slash = key.indexOf('/')
    const pods = listOf(access, PODS, key.slice(0, slash)).filter((pod) => {
      const owner = controllerOf(pod)
      return owner?.kind === JOBS.kind && owner.name === key.slice(slash + 1)
    })
    await release(pods)
  }
}

/** The status with what ended since, and the uids whose finalizers may go now. */
function count(job: Job, pods: readonly Pod[]): { readonly status: JobStatus; readonly settled: ReadonlySet<string> } {
  const { uncountedTerminatedPods: uncounted, ...status } = job.status ?? {}
  const tracked = new Set(pods.filter(({ metadata }) => metadata.finalizers?.includes(TRACKING)).map(uidOf))
  // A uid whose pod has lost its finalizer becomes a number.
  const [doneSucceeded, waitingSucceeded] = divide(uncounted?.succeeded ?? [], tracked)
  const [doneFailed, waitingFailed] = divide(uncounted?.failed ?? [], tracked)
  const ended = newlyEnded(pods, job.status)
  const succeeded = [...waitingSucceeded, ...ended.succeeded.map(uidOf)]
  const failed = [...waitingFailed, ...ended.failed.map(uidOf)]
  const indexes = parseIndexes(status.completedIndexes)
  for (const pod of ended.succeeded) {
    const index = indexOf(pod)
    if (index !== undefined) indexes.add(index)
  }
  return {
    status: {
      ...status,
      succeeded: (status.succeeded ?? 0) + doneSucceeded.length,
      failed: (status.failed ?? 0) + doneFailed.length,
      uncountedTerminatedPods: {
        ...(succeeded.length === 0 ? {} : { succeeded }),
        ...(failed.length === 0 ? {} : { failed }),
      },
      ...(indexes.size === 0 ? {} : { completedIndexes: formatIndexes(indexes) }),
    },
    settled: new Set([...succeeded, ...failed]),
  }
}

function withLive(status: JobStatus, pods: readonly Pod[]): JobStatus {
  const active = pods.filter(isActive)
  return {
    ...status,
    active: active.length,
    ready: active.filter(isReady).length,
    terminating: pods.filter((pod) => isDeleting(pod)).length,
  }
}

function jobPod(job: Job, index: number | undefined): Pod {
  const { name, uid = '' } = job.metadata
  const labels = {
    'batch.kubernetes.io/job-name': name,
    'batch.kubernetes.io/controller-uid': uid,
    'job-name': name,
    'controller-uid': uid,
  }
  if (index === undefined) return podOfTemplate(JOBS, job, job.spec.template, { labels, finalizers: [TRACKING] })
  const { template } = job.spec
  const env = { name: 'JOB_COMPLETION_INDEX', value: `${index}` }
  const containers = template.spec.containers.map((each) => ({ ...each, env: [...(each.env ?? []), env] }))
  const indexed = { ...template, spec: { ...template.spec, containers, hostname: `${name}-${index}` } }
  return podOfTemplate(JOBS, job, indexed, {
    labels: { ...labels, [INDEX]: `${index}` },
    annotations: { [INDEX]: `${index}` },
    finalizers: [TRACKING],
    generateName: `${name}-${index}-`,
  })
}

function uidOf({ metadata }: Pod): string {
  return metadata.uid ?? ''
}

function divide(
  uids: readonly string[],
  waiting: ReadonlySet<string>,
): readonly [readonly string[], readonly string[]] {
  return [uids.filter((uid) => !waiting.has(uid)), uids.filter((uid) => waiting.has(uid))]
}

/** What is gone already is as it shall be. */
async function tolerant(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!(error instanceof ApiError && error.status.reason === 'NotFound')) throw error
  }
}
