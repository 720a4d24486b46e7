import { describe, expect, it } from 'vitest'
import { podColumns } from '../../../../../src/local/apiserver/builtin/pod-columns.ts'
import type { ApiObject } from '../../../../../src/local/apiserver/index.ts'

const NOW = Date.parse('2026-01-01T01:00:00Z')
const running = (more: object = {}): object => ({
  name: 'a',
  ready: true,
  restartCount: 0,
  state: { running: {} },
  ...more,
})
const waiting = (reason: string): object => running({ ready: false, state: { waiting: { reason } } })
const ended = (exitCode: number, more: object = {}): object =>
  running({ ready: false, state: { terminated: { exitCode, ...more } } })

function pod(status: object, more: { readonly spec?: object; readonly metadata?: object } = {}): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', creationTimestamp: '2026-01-01T00:00:00Z', ...more.metadata },
    spec: { containers: [{ name: 'a' }], ...more.spec },
    status,
  }
}

/** Ready, status and restarts, as a line of `kubectl get pods` has them. */
function shown(object: ApiObject): string {
  return podColumns
    .slice(0, 3)
    .map((column) => column.cell(object, NOW))
    .join(' ')
}

describe('a line of kubectl get pods', () => {
  it.each<[string, ApiObject, string]>([
    ['waits for a node', pod({ phase: 'Pending' }), '0/1 Pending 0'],
    ['runs', pod({ phase: 'Running', containerStatuses: [running()] }), '1/1 Running 0'],
    [
      'runs and is not ready',
      pod({ phase: 'Running', containerStatuses: [running({ ready: false })] }),
      '0/1 Running 0',
    ],
    [
      'has no image',
      pod({ phase: 'Pending', containerStatuses: [waiting('ImagePullBackOff')] }),
      '0/1 ImagePullBackOff 0',
    ],
    [
      'crashes again and again',
      pod({
        phase: 'Running',
        containerStatuses: [
          running({
            ready: false,
            restartCount: 4,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { finishedAt: '2026-01-01T00:58:00Z' } },
          }),
        ],
      }),
      '0/1 CrashLoopBackOff 4 (2m ago)',
    ],
    ['is done', pod({ phase: 'Succeeded', containerStatuses: [ended(0, { reason: 'Completed' })] }), '0/1 Completed 0'],
    ['failed without a word', pod({ phase: 'Failed', containerStatuses: [ended(3)] }), '0/1 ExitCode:3 0'],
    ['was killed', pod({ phase: 'Failed', containerStatuses: [ended(0, { signal: 9 })] }), '0/1 Signal:9 0'],
    ['was evicted', pod({ phase: 'Failed', reason: 'Evicted' }), '0/1 Evicted 0'],
    [
      'is going',
      pod({ phase: 'Running', containerStatuses: [running()] }, { metadata: { deletionTimestamp: 'x' } }),
      '1/1 Terminating 0',
    ],
    [
      'runs the second of its init containers',
      pod(
        { phase: 'Pending', initContainerStatuses: [ended(0), running({ ready: false, restartCount: 2 })] },
        { spec: { initContainers: [{ name: 'i' }, { name: 'a' }] } },
      ),
      '0/1 Init:1/2 2',
    ],
    [
      'failed to begin',
      pod({ phase: 'Pending', initContainerStatuses: [ended(1, { reason: 'Error' })] }),
      '0/1 Init:Error 0',
    ],
    [
      'has done half of its work',
      pod({ phase: 'Running', containerStatuses: [ended(0, { reason: 'Completed' }), running()] }),
      '1/1 NotReady 0',
    ],
    [
      'has ended, with its sidecar after it',
      pod(
        {
          phase: 'Succeeded',
          conditions: [{ type: 'Initialized', status: 'True' }],
          initContainerStatuses: [ended(143, { name: 's', reason: 'Error' })],
          containerStatuses: [ended(0, { reason: 'Completed' })],
        },
        { spec: { initContainers: [{ name: 's', restartPolicy: 'Always' }] } },
      ),
      '0/2 Completed 0',
    ],
    [
      'is done and is only kept by a finalizer',
      pod(
        { phase: 'Succeeded', containerStatuses: [ended(0, { reason: 'Completed' })] },
        { metadata: { deletionTimestamp: 'x' } },
      ),
      '0/1 Completed 0',
    ],
    [
      'has a sidecar that runs',
      pod(
        {
          phase: 'Running',
          initContainerStatuses: [running({ name: 's', started: true, restartCount: 1 })],
          containerStatuses: [running()],
        },
        { spec: { initContainers: [{ name: 's', restartPolicy: 'Always' }] } },
      ),
      '2/2 Running 1',
    ],
  ])('of a pod that %s', (_what, object, line) => {
    expect(shown(object)).toBe(line)
  })

  it('survives a status that makes no sense', () => {
    expect(shown(pod({ phase: 7, containerStatuses: 'x', initContainerStatuses: [null, 3] }))).toMatch(
      /^0\/1 Init:0\/0 0$/,
    )
  })
})
