import type { ApiObject } from '../apiserver/index.ts'
import type { ContainerState, TerminatedRun } from '../kubelet/index.ts'
import { timeText } from './pod-object.ts'
import { type Condition, type ContainerFacts, type PodFacts, podConditions, podPhase } from './pod-phase.ts'

/** What a kubelet says of a pod that cannot run here. */
export interface StuckPod {
  readonly hostIps: readonly string[]
  readonly startedAt: string
  readonly reason: 'ErrImageNeverPull' | 'CreateContainerConfigError'
  readonly message: string
}

interface Container {
  readonly name: string
  readonly image?: string
}

type ContainerList = 'initContainers' | 'containers'

/** The whole status of a pod, from what its runner knows. `now` is the time of what has changed, RFC 3339. */
export function runningStatus(pod: ApiObject, facts: PodFacts, now: string): object {
  const { hostIps, startedAt, end } = facts
  const old = conditionsOf(pod)
  return {
    phase: podPhase(facts),
    ...(end === undefined || end.reason === '' ? {} : { reason: end.reason, message: end.message }),
    hostIP: hostIps[0] ?? '',
    hostIPs: hostIps.map((ip) => ({ ip })),
    ...addressesOf(facts),
    startTime: startedAt,
    conditions: mergeConditions(old, podConditions(facts, gatesOf(pod), old), now),
    ...initStatuses(
      containersOf(pod, 'initContainers').map((each) => containerStatus(each, facts.initContainers, facts)),
    ),
    containerStatuses: containersOf(pod, 'containers').map((each) => containerStatus(each, facts.containers, facts)),
  }
}

/** The status of a pod that has a node and will not run there. */
export function stuckStatus(pod: ApiObject, stuck: StuckPod, now: string): object {
  const { hostIps, startedAt, reason, message } = stuck
  const waiting = ({ name, image = '' }: Container): object => ({
    ...plain(name, image),
    state: { waiting: { reason, message } },
  })
  const no = { status: 'False', reason, message }
  const own: readonly Condition[] = [
    { type: 'PodScheduled', status: 'True' },
    { type: 'PodReadyToStartContainers', status: 'False' },
    { type: 'Initialized', ...(containersOf(pod, 'initContainers').length === 0 ? { status: 'True' } : no) },
    { type: 'ContainersReady', ...no },
    { type: 'Ready', ...no },
  ]
  return {
    phase: 'Pending',
    hostIP: hostIps[0] ?? '',
    hostIPs: hostIps.map((ip) => ({ ip })),
    startTime: startedAt,
    conditions: mergeConditions(conditionsOf(pod), own, now),
    ...initStatuses(containersOf(pod, 'initContainers').map(waiting)),
    containerStatuses: containersOf(pod, 'containers').map(waiting),
  }
}

/** One that an earlier life gave may be somebody else's now, so it goes; a pod that has ended keeps what it had. */
function addressesOf({ ips, end }: PodFacts): object {
  if (ips.length > 0) return { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }
  return end === undefined ? { podIP: null, podIPs: null } : {}
}

/** Others' conditions stay; the time of an own one moves only with its status. */
function mergeConditions(old: readonly Condition[], own: readonly Condition[], now: string): readonly Condition[] {
  const others = old.filter(({ type }) => !own.some((each) => each.type === type))
  const timed = own.map((condition) => {
    const before = old.find(({ type }) => type === condition.type)
    const time = before?.status === condition.status ? (before.lastTransitionTime ?? now) : now
    return { ...condition, lastTransitionTime: time }
  })
  return [...others, ...timed]
}

function initStatuses(statuses: readonly object[]): object {
  return statuses.length === 0 ? {} : { initContainerStatuses: statuses }
}

function containerStatus({ name, image = '' }: Container, all: readonly ContainerFacts[], pod: PodFacts): object {
  const facts = all.find((each) => each.name === name)
  if (facts === undefined) return plain(name, image)
  const { role, state, last, restarts, isStarted, isReady, hasSucceeded } = facts
  const hasRun = state.kind !== 'waiting' || last !== undefined
  const containerID = hasRun ? `ambit://${pod.uid}/${name}/${restarts}` : ''
  return {
    ...plain(name, image),
    // An init container is ready when it has done its work.
    ready: (isReady && !pod.isLeaving) || (role === 'init' && hasSucceeded),
    started: isStarted,
    restartCount: restarts,
    ...(hasRun ? { containerID } : {}),
    state: stateOf(state, pod.reason, containerID),
    lastState: last === undefined ? {} : { terminated: terminatedOf(last, containerID) },
  }
}

/** @param reason of the pod, for a container that waits without a reason of its own */
function stateOf(state: ContainerState, reason: string, containerID: string): object {
  if (state.kind === 'running') return { running: { startedAt: timeText(state.startedAtMs) } }
  if (state.kind === 'terminated') return { terminated: terminatedOf(state.run, containerID) }
  const message = state.message || reason
  return { waiting: { reason: state.reason, ...(message === '' ? {} : { message }) } }
}

function terminatedOf(run: TerminatedRun, containerID: string): object {
  const { exitCode, signal, reason, message, startedAtMs, finishedAtMs } = run
  return {
    exitCode,
    ...(signal === undefined ? {} : { signal }),
    reason,
    ...(message === '' ? {} : { message }),
    startedAt: timeText(startedAtMs),
    finishedAt: timeText(finishedAtMs),
    containerID,
  }
}

function plain(name: string, image: string): object {
  return { name, image, imageID: '', ready: false, started: false, restartCount: 0 }
}

function containersOf({ spec }: ApiObject, list: ContainerList): readonly Container[] {
  return (spec as Partial<Record<ContainerList, readonly Container[]>> | undefined)?.[list] ?? []
}

function conditionsOf({ status }: ApiObject): readonly Condition[] {
  return (status as { readonly conditions?: readonly Condition[] } | undefined)?.conditions ?? []
}

function gatesOf({ spec }: ApiObject): readonly string[] {
  const gates = (spec as { readonly readinessGates?: readonly { readonly conditionType: string }[] } | undefined)
    ?.readinessGates
  return (gates ?? []).map(({ conditionType }) => conditionType)
}
