import type { ApiObject } from '../apiserver/index.ts'

/** A container as its runner knows it. */
export interface ContainerFacts {
  readonly name: string
  readonly pid: number | undefined
  readonly isReady: boolean
  readonly isBackingOff: boolean
  readonly restarts: number
  readonly reason: string
  /** RFC 3339, of the process that runs now. */
  readonly startedAt: string | undefined
}

/** A pod as its runner knows it. */
export interface PodFacts {
  readonly uid: string
  readonly hostIps: readonly string[]
  /** Empty until it is linked. */
  readonly ips: readonly string[]
  readonly isRunning: boolean
  readonly isReady: boolean
  /** RFC 3339. */
  readonly startedAt: string
  /** Why it does not go on; empty when it does. */
  readonly reason: string
  /** Those that were started. */
  readonly containers: readonly ContainerFacts[]
}

/** What a kubelet says of a pod that cannot run here. */
export interface StuckPod {
  readonly hostIps: readonly string[]
  readonly startedAt: string
  readonly reason: 'ErrImageNeverPull' | 'CreateContainerConfigError'
  readonly message: string
}

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

interface Container {
  readonly name: string
  readonly image?: string
}

/** The whole status of a pod, from what its runner knows. `now` is the time of what has changed, RFC 3339. */
export function runningStatus(pod: ApiObject, facts: PodFacts, now: string): object {
  const { isRunning, isReady, ips, hostIps, startedAt, reason } = facts
  const notReady = { reason: 'ContainersNotReady', message: reason }
  return {
    phase: isRunning ? 'Running' : 'Pending',
    hostIP: hostIps[0] ?? '',
    hostIPs: hostIps.map((ip) => ({ ip })),
    ...(ips.length === 0 ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: startedAt,
    conditions: conditionsOf(pod, { isLinked: ips.length > 0, isReady, notReady }, now),
    containerStatuses: containersOf(pod).map((container) => containerStatus(container, facts)),
  }
}

/** The status of a pod that has a node and will not run there. */
export function stuckStatus(pod: ApiObject, stuck: StuckPod, now: string): object {
  const { hostIps, startedAt, reason, message } = stuck
  return {
    phase: 'Pending',
    hostIP: hostIps[0] ?? '',
    hostIPs: hostIps.map((ip) => ({ ip })),
    startTime: startedAt,
    conditions: conditionsOf(pod, { isLinked: false, isReady: false, notReady: { reason, message } }, now),
    containerStatuses: containersOf(pod).map(({ name, image = '' }) => ({
      ...plain(name, image),
      state: { waiting: { reason, message } },
    })),
  }
}

function conditionsOf(
  pod: ApiObject,
  is: {
    readonly isLinked: boolean
    readonly isReady: boolean
    readonly notReady: { readonly reason: string; readonly message: string }
  },
  now: string,
): readonly Condition[] {
  const old = (pod.status as { readonly conditions?: readonly Condition[] } | undefined)?.conditions ?? []
  const own: readonly Condition[] = [
    { type: 'PodScheduled', status: 'True' },
    { type: 'PodReadyToStartContainers', status: is.isLinked ? 'True' : 'False' },
    { type: 'Initialized', status: 'True' },
    { type: 'ContainersReady', ...(is.isReady ? { status: 'True' } : { status: 'False', ...is.notReady }) },
    { type: 'Ready', ...(is.isReady ? { status: 'True' } : { status: 'False', ...is.notReady }) },
  ]
  const others = old.filter(({ type }) => !own.some((each) => each.type === type))
  return [...others, ...own.map((each) => since(each, old, now))]
}

/** The time of a condition moves only with its status. */
function since(condition: Condition, old: readonly Condition[], now: string): Condition {
  const before = old.find(({ type }) => type === condition.type)
  const time = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
  return { ...condition, lastTransitionTime: time }
}

function containerStatus({ name, image = '' }: Container, { uid, containers, reason }: PodFacts): object {
  const facts = containers.find((each) => each.name === name)
  if (facts === undefined) {
    return { ...plain(name, image), state: { waiting: { reason: 'ContainerCreating', message: reason } } }
  }
  const { pid, isReady, isBackingOff, restarts, startedAt } = facts
  const waiting = { reason: isBackingOff ? 'CrashLoopBackOff' : 'ContainerCreating', message: facts.reason }
  return {
    ...plain(name, image),
    ready: isReady,
    started: pid !== undefined,
    restartCount: restarts,
    containerID: `ambit://${uid}/${name}`,
    state: pid === undefined ? { waiting } : { running: startedAt === undefined ? {} : { startedAt } },
  }
}

function plain(name: string, image: string): object {
  return { name, image, imageID: '', ready: false, started: false, restartCount: 0 }
}

function containersOf(pod: ApiObject): readonly Container[] {
  return (pod.spec as { readonly containers?: readonly Container[] } | undefined)?.containers ?? []
}
