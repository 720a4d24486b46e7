import { describe, expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import type { TerminatedRun } from '../../../../src/local/kubelet/index.ts'
import { anew, unschedulableReason } from '../../../../src/local/runtime/pod-object.ts'
import type { ContainerFacts, PodFacts } from '../../../../src/local/runtime/pod-phase.ts'
import { runningStatus, stuckStatus } from '../../../../src/local/runtime/pod-status.ts'

const EARLIER = '2026-01-01T00:00:00Z'
const NOW = '2026-01-01T00:00:09Z'
const earlierMs = Date.parse(EARLIER)

const pod: ApiObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web',
    namespace: 'shop',
    uid: 'u',
    annotations: { a: 'b', 'ambient.istio.io/redirection': 'enabled' },
  },
  spec: { nodeName: 'node-a', containers: [{ name: 'main', image: 'x' }] },
  status: {
    conditions: [
      { type: 'PodScheduled', status: 'True', lastTransitionTime: EARLIER },
      { type: 'Ready', status: 'False', lastTransitionTime: EARLIER },
      { type: 'example.com/gate', status: 'True', lastTransitionTime: EARLIER },
    ],
  },
}
const withInit: ApiObject = { ...pod, spec: { ...(pod.spec as object), initContainers: [{ name: 'i', image: 'x' }] } }
const ended = (exitCode: number): TerminatedRun => ({
  exitCode,
  signal: undefined,
  reason: exitCode === 0 ? 'Completed' : 'Error',
  message: '',
  startedAtMs: earlierMs,
  finishedAtMs: earlierMs + 5_000,
})
const main: ContainerFacts = {
  name: 'main',
  role: 'main',
  state: { kind: 'running', pid: 9, startedAtMs: earlierMs },
  last: undefined,
  restarts: 2,
  hasSucceeded: false,
  isStarted: true,
  isReady: true,
}
const unready = { isStarted: false, isReady: false }
const waiting: ContainerFacts = {
  ...main,
  ...unready,
  restarts: 0,
  state: { kind: 'waiting', reason: 'ContainerCreating', message: '' },
}
const init: ContainerFacts = { ...main, name: 'i', role: 'init', restarts: 0, isReady: false }
const initDone: ContainerFacts = {
  ...init,
  ...unready,
  hasSucceeded: true,
  state: { kind: 'terminated', run: ended(0) },
}
const facts: PodFacts = {
  uid: 'u',
  hostIps: ['10.243.0.2'],
  ips: ['10.244.1.2', 'fd00::2'],
  isLinked: true,
  isInitialized: true,
  isLeaving: false,
  startedAt: EARLIER,
  reason: '',
  end: undefined,
  initContainers: [],
  containers: [main],
}

interface Shown {
  readonly phase: string
  readonly reason?: string
  readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason?: string }[]
}
/** Phase, then each condition by its initials, lower case when it is false, with its reason. */
function shown(object: ApiObject, more: Partial<PodFacts>): string {
  const { phase, reason = '', conditions } = runningStatus(object, { ...facts, ...more }, NOW) as Shown
  const initials: Readonly<Record<string, string>> = {
    PodReadyToStartContainers: 'S',
    Initialized: 'I',
    ContainersReady: 'C',
    Ready: 'R',
  }
  const words = conditions.flatMap(({ type, status, reason: why }) => {
    const letter = initials[type]
    if (letter === undefined) return []
    return [`${status === 'True' ? letter : letter.toLowerCase()}${why === undefined ? '' : `=${why}`}`]
  })
  return [phase, ...(reason === '' ? [] : [reason]), ...words].join(' ')
}

describe('the phase and conditions of a pod', () => {
  const ready = 'c=ContainersNotReady r=ContainersNotReady'
  const crashed: ContainerFacts = {
    ...main,
    ...unready,
    last: ended(1),
    state: { kind: 'waiting', reason: 'CrashLoopBackOff', message: '' },
  }
  const done: ContainerFacts = { ...main, ...unready, hasSucceeded: true, state: { kind: 'terminated', run: ended(0) } }
  const succeeded = { phase: 'Succeeded', reason: '', message: '' } as const
  const failed = { phase: 'Failed', reason: '', message: '' } as const
  it.each<[string, ApiObject, Partial<PodFacts>, string]>([
    [
      'has no namespaces yet',
      pod,
      { isLinked: false, isInitialized: false, containers: [waiting] },
      `Pending s I ${ready}`,
    ],
    ['is not started yet', pod, { isInitialized: false, containers: [waiting] }, `Pending S I ${ready}`],
    [
      'is being initialized',
      withInit,
      { isInitialized: false, initContainers: [init], containers: [waiting] },
      `Pending S i=ContainersNotInitialized ${ready}`,
    ],
    ['has been initialized', withInit, { initContainers: [initDone], containers: [waiting] }, `Pending S I ${ready}`],
    ['runs', pod, {}, 'Running S I C R'],
    ['runs and is not ready', pod, { containers: [{ ...main, isReady: false }] }, `Running S I ${ready}`],
    ['is leaving', pod, { isLeaving: true }, `Running S I ${ready}`],
    ['keeps ending', pod, { containers: [crashed] }, `Running S I ${ready}`],
    [
      'has a container that never started',
      pod,
      { containers: [main, { ...waiting, name: 'b' }] },
      `Pending S I ${ready}`,
    ],
    ['has done half', pod, { containers: [main, { ...done, name: 'b' }] }, `Running S I ${ready}`],
    [
      'has done its work',
      pod,
      { isLinked: false, end: succeeded, containers: [done] },
      'Succeeded s I=PodCompleted c=PodCompleted r=PodCompleted',
    ],
    ['has failed', pod, { isLinked: false, end: failed, containers: [done] }, 'Failed s I c=PodFailed r=PodFailed'],
    [
      'has failed to begin',
      withInit,
      { isLinked: false, isInitialized: false, end: failed, initContainers: [init], containers: [waiting] },
      'Failed s i=ContainersNotInitialized c=PodFailed r=PodFailed',
    ],
    [
      'was too late',
      pod,
      { isLinked: false, end: { phase: 'Failed', reason: 'DeadlineExceeded', message: 'm' } },
      'Failed DeadlineExceeded s I c=PodFailed r=PodFailed',
    ],
    [
      'waits for a gate',
      { ...pod, spec: { ...(pod.spec as object), readinessGates: [{ conditionType: 'example.com/other' }] } },
      {},
      'Running S I C r=ReadinessGatesNotReady',
    ],
    [
      'has an open gate',
      { ...pod, spec: { ...(pod.spec as object), readinessGates: [{ conditionType: 'example.com/gate' }] } },
      {},
      'Running S I C R',
    ],
  ])('that %s', (_what, object, more, expected) => {
    expect(shown(object, more)).toBe(expected)
  })
})

it('the status of a running pod has its addresses and containers as they are', () => {
  expect(runningStatus(pod, facts, NOW)).toMatchObject({
    podIP: '10.244.1.2',
    podIPs: [{ ip: '10.244.1.2' }, { ip: 'fd00::2' }],
    containerStatuses: [
      {
        name: 'main',
        ready: true,
        started: true,
        restartCount: 2,
        state: { running: { startedAt: EARLIER } },
        lastState: {},
      },
    ],
  })
})

it('has no address of an earlier life while it has none, and keeps its own when it has ended', () => {
  const unlinked = { ...facts, ips: [], isLinked: false }
  expect(runningStatus(pod, unlinked, NOW)).toMatchObject({ podIP: null, podIPs: null })
  const end = { phase: 'Succeeded', reason: '', message: '' } as const
  expect(runningStatus(pod, { ...unlinked, end }, NOW)).not.toHaveProperty('podIP')
})

it('tells how a run ended, and the one before the run that is now', () => {
  const run = { exitCode: 1, reason: 'Error', startedAt: EARLIER, finishedAt: '2026-01-01T00:00:05Z' }
  const again = { ...main, last: ended(1) }
  expect(runningStatus(pod, { ...facts, containers: [again] }, NOW)).toMatchObject({
    containerStatuses: [{ state: { running: {} }, lastState: { terminated: run } }],
  })
  const over: ContainerFacts = { ...main, ...unready, state: { kind: 'terminated', run: ended(1) } }
  expect(runningStatus(pod, { ...facts, containers: [over] }, NOW)).toMatchObject({
    containerStatuses: [{ ready: false, started: false, state: { terminated: run }, lastState: {} }],
  })
})

it('an init container that has done its work is ready', () => {
  const { initContainerStatuses } = runningStatus(withInit, { ...facts, initContainers: [initDone] }, NOW) as {
    readonly initContainerStatuses: readonly object[]
  }
  expect(initContainerStatuses).toMatchObject([{ name: 'i', ready: true, state: { terminated: { exitCode: 0 } } }])
})

it('says of a container that waits what its pod waits for', () => {
  const why = { ...facts, reason: 'not captured', containers: [waiting] }
  expect(runningStatus(pod, why, NOW)).toMatchObject({
    containerStatuses: [{ state: { waiting: { reason: 'ContainerCreating', message: 'not captured' } } }],
  })
})

it("moves a condition's time only with its status, and keeps conditions of others", () => {
  const { conditions } = runningStatus(pod, facts, NOW) as {
    readonly conditions: readonly { readonly type: string; readonly lastTransitionTime: string }[]
  }
  const times = Object.fromEntries(conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]))
  expect(times).toMatchObject({ PodScheduled: EARLIER, Ready: NOW, 'example.com/gate': EARLIER })
})

it('a pod that cannot run stays pending with the reason at each container', () => {
  const why = { hostIps: [], startedAt: EARLIER, reason: 'ErrImageNeverPull', message: 'no command' } as const
  const state = { waiting: { reason: 'ErrImageNeverPull', message: 'no command' } }
  expect(stuckStatus(withInit, why, NOW)).toMatchObject({
    phase: 'Pending',
    initContainerStatuses: [{ name: 'i', state }],
    containerStatuses: [{ name: 'main', state }],
  })
})

it('a pod that was lost comes anew as it was written, without what the mesh put on it', () => {
  expect(anew(pod)).toEqual({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop', labels: {}, annotations: { a: 'b' } },
    spec: pod.spec,
  })
})

it('a pod without a node says why once somebody has looked for one', () => {
  const refused = { type: 'PodScheduled', status: 'False', message: '0/2 nodes are available' }
  expect(unschedulableReason({ ...pod, status: { conditions: [refused] } })).toBe('0/2 nodes are available')
  expect(unschedulableReason({ ...pod, status: {} })).toBe('')
})
