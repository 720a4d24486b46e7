import { isRecord } from '#shared/document'
import type { ApiObject } from '../apiserver/index.ts'
import type { EarlierRun, TerminatedRun } from '../kubelet/index.ts'

/** Of a run whose end nobody saw (as containerd has it after a node's restart). */
const UNSEEN_EXIT = 255

/** When the pod began to be run, by whatever life; undefined when none has seen it. Epoch ms. */
export function earlierStartMs({ status }: ApiObject): number | undefined {
  return timeOf(status, 'startTime')
}

/** What a pod's status says of containers that ran before this program was started, by name. */
export function earlierRuns({ status }: ApiObject, nowMs: number): ReadonlyMap<string, EarlierRun> {
  const found = new Map<string, EarlierRun>()
  for (const list of ['initContainerStatuses', 'containerStatuses']) {
    const all = isRecord(status) ? status[list] : undefined
    for (const container of Array.isArray(all) ? all : []) {
      if (!isRecord(container) || typeof container.name !== 'string') continue
      const last = lastRun(container, nowMs)
      const restarts = typeof container.restartCount === 'number' ? container.restartCount : 0
      if (last !== undefined) found.set(container.name, { restarts, last })
    }
  }
  return found
}

function lastRun(container: Readonly<Record<string, unknown>>, nowMs: number): TerminatedRun | undefined {
  const { state, lastState } = container
  if (isRecord(state) && isRecord(state.running)) {
    return {
      exitCode: UNSEEN_EXIT,
      signal: undefined,
      reason: 'Unknown',
      message: 'the mesh was stopped while it ran',
      startedAtMs: timeOf(state.running, 'startedAt') ?? nowMs,
      finishedAtMs: nowMs,
    }
  }
  const terminated =
    isRecord(state) && isRecord(state.terminated) ? state.terminated : isRecord(lastState) && lastState.terminated
  return isRecord(terminated) ? readTerminated(terminated, nowMs) : undefined
}

function readTerminated(fields: Readonly<Record<string, unknown>>, nowMs: number): TerminatedRun {
  const { exitCode, signal, reason, message } = fields
  const reasons: readonly TerminatedRun['reason'][] = ['Completed', 'Error', 'StartError', 'Unknown']
  return {
    exitCode: typeof exitCode === 'number' ? exitCode : UNSEEN_EXIT,
    signal: typeof signal === 'number' && signal > 0 ? signal : undefined,
    reason: reasons.find((each) => each === reason) ?? 'Unknown',
    message: typeof message === 'string' ? message : '',
    startedAtMs: timeOf(fields, 'startedAt') ?? nowMs,
    finishedAtMs: timeOf(fields, 'finishedAt') ?? nowMs,
  }
}

function timeOf(record: unknown, field: string): number | undefined {
  const ms = isRecord(record) ? Date.parse(String(record[field])) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}
