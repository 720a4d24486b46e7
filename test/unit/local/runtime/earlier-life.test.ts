import { expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { earlierRuns, earlierStartMs } from '../../../../src/local/runtime/earlier-life.ts'

const START = '2026-01-01T00:00:00Z'
const startMs = Date.parse(START)
const NOW = startMs + 60_000
const podWith = (status: unknown): ApiObject =>
  ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: {}, status }) as ApiObject
const terminated = { exitCode: 3, reason: 'Error', startedAt: START, finishedAt: START }
const run = {
  exitCode: 3,
  signal: undefined,
  reason: 'Error',
  message: '',
  startedAtMs: startMs,
  finishedAtMs: startMs,
}

it('a container that ran when the mesh was stopped has ended unseen', () => {
  const pod = podWith({ containerStatuses: [{ name: 'c', restartCount: 2, state: { running: { startedAt: START } } }] })
  expect(earlierRuns(pod, NOW).get('c')).toMatchObject({
    restarts: 2,
    last: { exitCode: 255, reason: 'Unknown', startedAtMs: startMs, finishedAtMs: NOW },
  })
})

it.each([
  ['had ended', { state: { terminated } }],
  ['was to be started again', { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated } }],
])('a container that %s is known as it ended', (_what, state) => {
  const pod = podWith({ initContainerStatuses: [{ name: 'i', restartCount: 0, ...state }] })
  expect(earlierRuns(pod, NOW).get('i')).toEqual({ restarts: 0, last: run })
})

it.each([
  ['never started', { containerStatuses: [{ name: 'c', state: { waiting: { reason: 'ContainerCreating' } } }] }],
  ['has no status', undefined],
  ['has a status that makes no sense', { containerStatuses: [null, 3, { name: 7 }], initContainerStatuses: 'x' }],
])('there is nothing of a pod that %s', (_what, status) => {
  expect(earlierRuns(podWith(status), NOW).size).toBe(0)
})

it('a pod that ran before keeps its time of start', () => {
  expect([earlierStartMs(podWith({ startTime: START })), earlierStartMs(podWith({}))]).toEqual([startMs, undefined])
})
