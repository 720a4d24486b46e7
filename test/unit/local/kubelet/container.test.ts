import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { Grace } from '../../../../src/local/kubelet/grace.ts'
import type { PodContainer } from '../../../../src/local/kubelet/index.ts'
import type { ProbePlan } from '../../../../src/local/pod-plan/index.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'
import {
  aRun,
  containerPlan,
  type FakeContainer,
  fakeContainer,
  noHooks,
  noProbes,
  nowhere,
} from '../../../support/fake-containers.ts'

function started(more: Parameters<typeof fakeContainer>[1] = {}): FakeContainer & { readonly clock: FakeClock } {
  const clock = new FakeClock()
  const made = fakeContainer(clock, more)
  made.container.start(nowhere)
  return Object.assign(made, { clock })
}
/** Its state in one word, and restarts. */
function shown({ state, restarts }: PodContainer): string {
  const word = state.kind === 'waiting' ? state.reason : state.kind === 'running' ? 'running' : state.run.reason
  return `${word} ${restarts}`
}
const reasonsOf = ({ events }: FakeContainer): readonly string[] => events.map(({ reason }) => reason)

/** Its host is no address, so that it fails without any socket. */
const failing: ProbePlan = {
  check: { kind: 'tcp', host: 'nowhere', port: 1 },
  initialDelayMs: 0,
  periodMs: 1_000,
  timeoutMs: 1_000,
  successThreshold: 1,
  failureThreshold: 2,
  graceMs: undefined,
}

describe('a container whose process ends', () => {
  it('waits twice as long each time, up to a bound, and says how the last run ended', async () => {
    const it = started()
    const waits: number[] = []
    for (let run = 0; run < 8; run++) {
      await it.process.exit(3)
      expect(shown(it.container)).toBe(`CrashLoopBackOff ${run}`)
      const before = it.clock.nowMs()
      while (it.container.state.kind === 'waiting') await it.clock.advance(100)
      waits.push(it.clock.nowMs() - before)
    }
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000])
    expect(it.container.last).toMatchObject({ exitCode: 3, reason: 'Error' })
    expect(it.log.runs).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(reasonsOf(it).slice(0, 5)).toEqual(['Created', 'Started', 'BackOff', 'Created', 'Started'])
  })

  it('begins with short waits again after a run that lasted', async () => {
    const it = started()
    await it.process.exit(1)
    await it.clock.advance(200)
    await it.clock.advance(10_000)
    await it.process.exit(1)
    await it.clock.advance(200)
    expect(shown(it.container)).toBe('running 2')
  })

  it.each([
    ['Never', 1, 'Error 0', false],
    ['Never', 0, 'Completed 0', true],
    ['OnFailure', 0, 'Completed 0', true],
  ] as const)('stays ended with policy %s and status %i', async (restart, code, words, hasSucceeded) => {
    const it = started({ plan: containerPlan({ restart }) })
    await it.process.exit(code)
    expect([shown(it.container), it.container.isDone, it.container.hasSucceeded]).toEqual([words, true, hasSucceeded])
    await it.clock.advance(60_000)
    expect([it.processes.length, it.clock.pendingTimers]).toEqual([1, 0])
  })
})

it('whose configuration is missing says so and asks again', async () => {
  let isMissing = true
  const it = started({
    plan: containerPlan({
      resolve: () => {
        if (isMissing) throw new MeshError('CONTAINER_CONFIG_INVALID', 'configmap "x" not found')
        return aRun
      },
    }),
  })
  expect([shown(it.container), it.container.reason]).toEqual([
    'CreateContainerConfigError 0',
    'configmap "x" not found',
  ])
  expect(it.events).toEqual([{ type: 'Warning', reason: 'Failed', message: 'Error: configmap "x" not found' }])
  isMissing = false
  await it.clock.advance(500)
  expect(shown(it.container)).toBe('running 0')
})

describe('a container that ran in an earlier life', () => {
  const last = {
    exitCode: 255,
    signal: undefined,
    reason: 'Unknown',
    message: '',
    startedAtMs: 0,
    finishedAtMs: 0,
  } as const
  it('counts its restarts on', () => {
    const it = started({ earlier: { restarts: 4, last } })
    expect([shown(it.container), it.log.runs, it.container.last]).toEqual(['running 5', [5], last])
  })

  it('and may not run twice stays as it ended', () => {
    const it = started({ plan: containerPlan({ restart: 'Never' }), earlier: { restarts: 0, last } })
    expect([shown(it.container), it.container.isDone, it.processes.length]).toEqual(['Unknown 0', true, 0])
  })
})

describe('a container that is stopped', () => {
  it('is asked, and killed when its grace is over', async () => {
    const it = started()
    it.process.obeys.delete('SIGTERM')
    const stopped = it.container.stop(new Grace(it.clock, 5_000))
    await it.clock.advance(4_999)
    expect(it.process.signals).toEqual(['SIGTERM'])
    await it.clock.advance(1)
    await stopped
    expect(it.process.signals).toEqual(['SIGTERM', 'SIGKILL'])
    expect([shown(it.container), it.container.isDone]).toEqual(['Error 0', true])
  })

  it('is killed at once without grace, also one whose grace is taken away', async () => {
    const it = started()
    it.process.obeys.delete('SIGTERM')
    const grace = new Grace(it.clock, 60_000)
    const stopped = it.container.stop(grace)
    await settle()
    grace.shorten(0)
    await stopped
    const forced = started()
    await forced.container.stop(new Grace(forced.clock, 0))
    expect([it.process.signals, forced.process.signals]).toEqual([['SIGTERM', 'SIGKILL'], ['SIGKILL']])
  })

  it('runs its preStop hook first, within the grace, and then has a little time left', async () => {
    const it = started({ plan: containerPlan({ hooks: { ...noHooks, preStop: { kind: 'sleep', ms: 60_000 } } }) })
    it.process.obeys.delete('SIGTERM')
    const stopped = it.container.stop(new Grace(it.clock, 1_000))
    await it.clock.advance(999)
    expect(it.process.signals).toEqual([])
    await it.clock.advance(1)
    expect(it.process.signals).toEqual(['SIGTERM'])
    await it.clock.advance(2_000)
    await stopped
    expect(it.process.signals).toEqual(['SIGTERM', 'SIGKILL'])
    expect(reasonsOf(it)).toEqual(['Created', 'Started', 'Killing', 'FailedPreStopHook'])
  })

  it('does not start again while it waits to', async () => {
    const it = started()
    await it.process.exit(1)
    await it.container.stop(new Grace(it.clock, 5_000))
    await it.clock.advance(60_000)
    expect([shown(it.container), it.processes.length]).toEqual(['Error 0', 1])
  })

  it('is given up when not even SIGKILL ends it', async () => {
    const it = started()
    it.process.obeys.clear()
    const stopped = it.container.stop(new Grace(it.clock, 0))
    await it.clock.advance(5_000)
    await stopped
    expect(it.container.isDone).toBe(true)
  })
})

describe('a container with hooks and probes', () => {
  it('is started and ready only when its postStart hook has ended', async () => {
    const it = started({ plan: containerPlan({ hooks: { ...noHooks, postStart: { kind: 'sleep', ms: 300 } } }) })
    await it.clock.advance(299)
    expect([shown(it.container), it.container.isStarted, it.container.isReady]).toEqual(['running 0', false, false])
    await it.clock.advance(1)
    expect([it.container.isStarted, it.container.isReady]).toEqual([true, true])
  })

  it('runs commands beside its process only when that is where they shall run', async () => {
    const clock = new FakeClock()
    let isThere = false
    const made = fakeContainer(clock, {
      plan: containerPlan({ hooks: { ...noHooks, postStart: { kind: 'exec', argv: ['a'] } } }),
    })
    const asked: (readonly string[])[] = []
    made.container.start({
      ...nowhere,
      beside: (_, { argv }) => {
        asked.push(argv)
        return isThere ? { file: '/no/such/file', args: [], env: {} } : undefined
      },
    })
    await clock.advance(100)
    expect([made.events.length, new Set(asked.flat())]).toEqual([2, new Set(['true'])])
    isThere = true
    await clock.advance(10)
    expect(asked.at(-1)).toEqual(['a'])
  })

  it('is killed and started again when its postStart hook fails', async () => {
    const postStart = { kind: 'tcp', host: 'nowhere', port: 1 } as const
    const it = started({ plan: containerPlan({ hooks: { ...noHooks, postStart } }) })
    await settle()
    await settle()
    expect([shown(it.container), it.process.signals]).toEqual(['CrashLoopBackOff 0', ['SIGTERM', 'SIGKILL']])
    expect(reasonsOf(it)).toEqual(['Created', 'Started', 'FailedPostStartHook', 'Killing', 'BackOff'])
  })

  it('that fails its liveness probe is told and ended, with the grace that the probe says', async () => {
    const it = started({ plan: containerPlan({ probes: { ...noProbes, liveness: { ...failing, graceMs: 700 } } }) })
    it.process.obeys.delete('SIGTERM')
    await it.clock.advance(1_020)
    expect([it.process.signals, it.container.isReady]).toEqual([['SIGTERM'], false])
    await it.clock.advance(700)
    expect([it.process.signals, shown(it.container)]).toEqual([['SIGTERM', 'SIGKILL'], 'CrashLoopBackOff 0'])
    expect(reasonsOf(it)).toEqual(['Created', 'Started', 'Unhealthy', 'Unhealthy', 'Killing', 'BackOff'])
  })

  it('whose startup probe has not succeeded is not asked for anything else', async () => {
    const startup = { ...failing, failureThreshold: 100 }
    const it = started({ plan: containerPlan({ probes: { startup, liveness: failing, readiness: failing } }) })
    await it.clock.advance(10_000)
    expect([shown(it.container), it.container.isStarted]).toEqual(['running 0', false])
    expect(it.events.filter(({ message }) => /^(Liveness|Readiness)/.test(message))).toEqual([])
  })

  it('that is being ended by a probe has no more grace than its pod', async () => {
    const it = started({ plan: containerPlan({ probes: { ...noProbes, liveness: failing } }) })
    it.process.obeys.delete('SIGTERM')
    await it.clock.advance(1_020)
    const stopped = it.container.stop(new Grace(it.clock, 400))
    await it.clock.advance(400)
    await stopped
    expect([it.process.signals, reasonsOf(it).filter((reason) => reason === 'Killing')]).toEqual([
      ['SIGTERM', 'SIGKILL'],
      ['Killing'],
    ])
  })
})
