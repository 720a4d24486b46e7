import { expect, it } from 'vitest'
import type { ApiObject } from '../../../../src/local/apiserver/index.ts'
import { anew, unschedulableReason } from '../../../../src/local/runtime/pod-object.ts'
import { type PodFacts, runningStatus, stuckStatus } from '../../../../src/local/runtime/pod-status.ts'

const EARLIER = '2026-01-01T00:00:00Z'
const NOW = '2026-01-01T00:00:09Z'

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
const main = { name: 'main', pid: 9, isReady: true, isBackingOff: false, restarts: 2, reason: '', startedAt: EARLIER }
const facts: PodFacts = {
  uid: 'u',
  hostIps: ['10.243.0.2'],
  ips: ['10.244.1.2', 'fd00::2'],
  isRunning: true,
  isReady: true,
  startedAt: EARLIER,
  reason: '',
  containers: [main],
}

it('the status of a running pod has its addresses and containers as they are', () => {
  expect(runningStatus(pod, facts, NOW)).toMatchObject({
    phase: 'Running',
    podIP: '10.244.1.2',
    podIPs: [{ ip: '10.244.1.2' }, { ip: 'fd00::2' }],
    containerStatuses: [{ name: 'main', ready: true, restartCount: 2, state: { running: { startedAt: EARLIER } } }],
  })
})

it("moves a condition's time only with its status, and keeps conditions of others", () => {
  const { conditions } = runningStatus(pod, facts, NOW) as {
    readonly conditions: readonly { readonly type: string; readonly lastTransitionTime: string }[]
  }
  const times = Object.fromEntries(conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]))
  expect(times).toMatchObject({ PodScheduled: EARLIER, Ready: NOW, 'example.com/gate': EARLIER })
})

it.each([
  ['one that keeps ending', [{ ...main, pid: undefined, isBackingOff: true }], 'CrashLoopBackOff'],
  ['one that was not started yet', [], 'ContainerCreating'],
])('says of a container why it waits: %s', (_what, containers, reason) => {
  expect(runningStatus(pod, { ...facts, containers }, NOW)).toMatchObject({
    containerStatuses: [{ state: { waiting: { reason } } }],
  })
})

it('a pod that cannot run stays pending with the reason at each container', () => {
  const why = { hostIps: [], startedAt: EARLIER, reason: 'ErrImageNeverPull', message: 'no command' } as const
  expect(stuckStatus(pod, why, NOW)).toMatchObject({
    phase: 'Pending',
    containerStatuses: [{ state: { waiting: { reason: 'ErrImageNeverPull', message: 'no command' } } }],
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
