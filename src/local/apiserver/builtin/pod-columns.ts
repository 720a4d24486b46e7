import { ageSince } from '../present/index.ts'
import type { ApiObject, Column } from '../types.ts'
import { age, at, column, listAt, numberAt, textAt } from './define.ts'

/** As `kubectl get pods` has shown them for years. */
export const podColumns: readonly Column[] = [
  column('Ready', readyCount),
  column('Status', podReason),
  column('Restarts', podRestarts),
  age,
  column('IP', (pod) => textAt(pod, 'status', 'podIP'), 1),
  column('Node', (pod) => textAt(pod, 'spec', 'nodeName'), 1),
  column('Nominated Node', (pod) => textAt(pod, 'status', 'nominatedNodeName'), 1),
  column('Readiness Gates', readinessGates, 1),
]

/** Sidecars count as containers. */
function readyCount(pod: ApiObject): string {
  const total = listAt(pod, 'spec', 'containers').length + sidecarNames(pod).size
  const sidecars = sidecarStatuses(pod).filter((one) => at(one, 'started') === true && at(one, 'ready') === true)
  // While it is being initialized, no main container is ready.
  return `${sidecars.length + listAt(pod, 'status', 'containerStatuses').filter(isReady).length}/${total}`
}

function isReady(containerStatus: unknown): boolean {
  return at(containerStatus, 'ready') === true && at(containerStatus, 'state', 'running') !== undefined
}

/** The most telling word about a pod: its end, a container's trouble, or its phase. */
function podReason(pod: ApiObject): string {
  const isOver = ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'))
  if (pod.metadata.deletionTimestamp !== undefined && !isOver) return 'Terminating'
  return initReason(pod) ?? containerReason(pod)
}

/** What an init container is doing; undefined when all are past, or once were: a sidecar may end or start again later. */
function initReason(pod: ApiObject): string | undefined {
  if (isTrue(pod, 'Initialized')) return undefined
  const statuses = listAt(pod, 'status', 'initContainerStatuses')
  const sidecars = sidecarNames(pod)
  const index = statuses.findIndex((one) => !isPast(one, sidecars))
  const one = statuses[index]
  if (one === undefined) return undefined
  const terminated = at(one, 'state', 'terminated')
  if (terminated !== undefined) return `Init:${endReason(terminated)}`
  const waiting = textAt(one, 'state', 'waiting', 'reason')
  if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`
  return `Init:${index}/${listAt(pod, 'spec', 'initContainers').length}`
}

function isPast(status: unknown, sidecars: ReadonlySet<string>): boolean {
  if (at(status, 'state', 'terminated') !== undefined) return numberAt(status, 'state', 'terminated', 'exitCode') === 0
  return sidecars.has(textAt(status, 'name')) && at(status, 'started') === true
}

function containerReason(pod: ApiObject): string {
  const statuses = listAt(pod, 'status', 'containerStatuses')
  let reason = textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase') || 'Unknown'
  for (const one of statuses.toReversed()) {
    const waiting = textAt(one, 'state', 'waiting', 'reason')
    const terminated = at(one, 'state', 'terminated')
    if (waiting !== '') reason = waiting
    else if (terminated !== undefined) reason = endReason(terminated)
  }
  const isHalfDone = reason === 'Completed' && statuses.some(isReady)
  if (!isHalfDone) return reason
  return isTrue(pod, 'Ready') ? 'Running' : 'NotReady'
}

function endReason(terminated: unknown): string {
  const signal = numberAt(terminated, 'signal')
  const fallback = signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode')}` : `Signal:${signal}`
  return textAt(terminated, 'reason') || fallback
}

/** Of its init containers while they are what it does, then of the others and sidecars. */
function podRestarts(pod: ApiObject, nowMs: number): string {
  const statuses =
    initReason(pod) === undefined
      ? [...listAt(pod, 'status', 'containerStatuses'), ...sidecarStatuses(pod)]
      : listAt(pod, 'status', 'initContainerStatuses')
  const restarts = statuses.reduce<number>((sum, one) => sum + numberAt(one, 'restartCount'), 0)
  const ends = statuses.map((one) => textAt(one, 'lastState', 'terminated', 'finishedAt')).filter((end) => end !== '')
  const last = ends.sort().at(-1)
  return restarts === 0 || last === undefined ? String(restarts) : `${restarts} (${ageSince(last, nowMs)} ago)`
}

function sidecarNames(pod: ApiObject): ReadonlySet<string> {
  const sidecars = listAt(pod, 'spec', 'initContainers').filter(
    (container) => at(container, 'restartPolicy') === 'Always',
  )
  return new Set(sidecars.map((container) => textAt(container, 'name')))
}

function sidecarStatuses(pod: ApiObject): readonly unknown[] {
  const sidecars = sidecarNames(pod)
  return listAt(pod, 'status', 'initContainerStatuses').filter((one) => sidecars.has(textAt(one, 'name')))
}

function readinessGates(pod: ApiObject): string {
  const gates = listAt(pod, 'spec', 'readinessGates')
  if (gates.length === 0) return ''
  return `${gates.filter((gate) => isTrue(pod, textAt(gate, 'conditionType'))).length}/${gates.length}`
}

function isTrue(pod: ApiObject, condition: string): boolean {
  return listAt(pod, 'status', 'conditions').some(
    (one) => at(one, 'type') === condition && at(one, 'status') === 'True',
  )
}
