import { expect, it } from 'vitest'
import type { ProcessEnd } from '../../../../src/local/host/index.ts'
import {
  restartsAfter,
  staysEnded,
  type TerminatedRun,
  terminatedRun,
} from '../../../../src/local/kubelet/container-state.ts'
import type { RestartPolicy } from '../../../../src/local/pod-plan/index.ts'

const times = { startedAtMs: 1, finishedAtMs: 2 }
const exited = (code: number): ProcessEnd => ({ kind: 'exited', code })
const endedWith = (exitCode: number): TerminatedRun => terminatedRun(exited(exitCode), times, '')

it.each<[string, ProcessEnd, string, Partial<TerminatedRun>]>([
  ['status 0', exited(0), '', { exitCode: 0, reason: 'Completed', message: '', signal: undefined }],
  ['another status', exited(7), 'enter: x', { exitCode: 7, reason: 'Error', message: '' }],
  ['a signal', { kind: 'killed', signal: 'SIGTERM' }, '', { exitCode: 143, signal: 15, reason: 'Error' }],
  [
    'a command that is not there',
    exited(127),
    'enter: 1: exec: nope: not found\n',
    { exitCode: 127, reason: 'StartError', message: 'the command could not be started: 1: exec: nope: not found' },
  ],
  ['a folder that is not there', exited(125), 'enter: 1: cd: nope', { exitCode: 125, reason: 'StartError' }],
  ['status 127 of its own', exited(127), 'sh: 1: nope: not found\n', { exitCode: 127, reason: 'Error', message: '' }],
  ['no process at all', { kind: 'unstarted', reason: 'spawn ENOENT' }, '', { exitCode: 128, reason: 'StartError' }],
])('a run that ends with %s is told so', (_what, end, output, expected) => {
  expect(terminatedRun(end, times, output)).toMatchObject({ ...expected, ...times })
})

it.each<[RestartPolicy, number, boolean]>([
  ['Always', 0, true],
  ['Always', 1, true],
  ['OnFailure', 0, false],
  ['OnFailure', 1, true],
  ['Never', 0, false],
  ['Never', 1, false],
])('policy %s after exit code %i: runs again is %s', (policy, code, again) => {
  expect(restartsAfter(policy, endedWith(code))).toBe(again)
})

it.each<[RestartPolicy, number, 'init' | 'sidecar' | 'main', boolean]>([
  ['Always', 0, 'main', false],
  ['OnFailure', 0, 'main', true],
  ['OnFailure', 255, 'main', false],
  ['OnFailure', 0, 'init', false],
  ['Always', 255, 'sidecar', false],
  ['Never', 255, 'main', true],
  ['Never', 0, 'init', true],
])(
  'after an earlier life, with policy %s and exit code %i, a %s container stays ended: %s',
  (policy, code, role, stays) => {
    expect(staysEnded(policy, { restarts: 0, last: endedWith(code) }, role)).toBe(stays)
  },
)
