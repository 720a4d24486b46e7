import { ageSince } from '../present/index.ts'
import type { ApiObject, Column } from '../types.ts'
import { age, at, column, listAt, numberAt, textAt } from './define.ts'

/** As `kubectl get pods` has shown them for years. */
export const podColumns: readonly Column[] = [
  column(
    'Ready',
    (pod) =>
      `${listAt(pod, 'status', 'containerStatuses').filter(isReady).length}/${listAt(pod, 'spec', 'containers').length}`,
  ),
  column('Status', podReason),
  column('Restarts', podRestarts),
  age,
  column('IP', (pod) => textAt(pod, 'status', 'podIP'), 1),
  column('Node', (pod) => textAt(pod, 'spec', 'nodeName'), 1),
  column('Nominated Node', (pod) => textAt(pod, 'status', 'nominatedNodeName'), 1),
  column('Readiness Gates', readinessGates, 1),
]

function isReady(containerStatus: unknown): boolean {
  return at(containerStatus, 'ready') === true && at(containerStatus, 'state', 'running') !== undefined
}

/** The most telling word about a pod: its end, a container's trouble, or its phase. */
function podReason(pod: ApiObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'Terminating'
  return initReason(pod) ?? containerReason(pod)
}

function initReason(pod: ApiObject): string | undefined {
  const statuses = listAt(pod, 'status', 'initContainerStatuses')
  for (const [i, one] of statuses.entries()) {
    if (at(one, 'state', 'terminated') !== undefined && numberAt(one, 'state', 'terminated', 'exitCode') === 0) continue
    const isRunningSidecar = at(one, 'started') === true && at(one, 'state', 'running') !== undefined
    if (isRunningSidecar) continue
    const terminated = at(one, 'state', 'terminated')
    if (terminated !== undefined) return `Init:${endReason(terminated)}`
    const waiting = textAt(one, 'state', 'waiting', 'reason')
    if (waiting !== '' && waiting !== 'PodInitializing') return `Init:${waiting}`
    return `Init:${i}/${statuses.length}`
  }
  return undefined
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
  return isHalfDone ? 'Running' : reason
}

function endReason(terminated: unknown): string {
  const signal = numberAt(terminated, 'signal')
  const fallback = signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode')}` : `Signal:${signal}`
  return textAt(terminated, 'reason') || fallback
}

function podRestarts(pod: ApiObject, nowMs: number): string {
  const statuses = [...listAt(pod, 'status', 'containerStatuses'), ...sidecarStatuses(pod)]
  const restarts = statuses.reduce<number>((sum, one) => sum + numberAt(one, 'restartCount'), 0)
  const ends = statuses.map((one) => textAt(one, 'lastState', 'terminated', 'finishedAt')).filter((end) => end !== '')
  const last = ends.sort().at(-1)
  return restarts === 0 || last === undefined ? String(restarts) : `${restarts} (${ageSince(last, nowMs)} ago)`
}

function sidecarStatuses(pod: ApiObject): readonly unknown[] {
  const sidecars = new Set(
    listAt(pod, 'spec', 'initContainers')
      .filter((container) => at(container, 'restartPolicy') === 'Always')
      .map((container) => textAt(container, 'name')),
  )
  return listAt(pod, 'status', 'initContainerStatuses').filter((one) => sidecars.has(textAt(one, 'name')))
}

function readinessGates(pod: ApiObject): string {
  const gates = listAt(pod, 'spec', 'readinessGates')
  if (gates.length === 0) return ''
  const isTrue = (type: string): boolean =>
    listAt(pod, 'status', 'conditions').some((one) => at(one, 'type') === type && at(one, 'status') === 'True')
  return `${gates.filter((gate) => isTrue(textAt(gate, 'conditionType'))).length}/${gates.length}`
}
