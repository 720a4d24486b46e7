import { describe, expect, it } from 'vitest'
import { ProbeWatch } from '../../../../src/local/kubelet/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

type Settings = ConstructorParameters<typeof ProbeWatch>[0]

const plan = { initialDelayMs: 0, periodMs: 10_000, timeoutMs: 1_000, successThreshold: 1, failureThreshold: 3 }

interface Scene {
  readonly clock: FakeClock
  readonly watch: ProbeWatch
  readonly changes: string[]
  readonly asked: number[]
  readonly failures: string[]
  answer: string | undefined
}

function scene(settings: Partial<Settings['plan']> = {}, more: Partial<Settings> = {}): Scene {
  const clock = new FakeClock()
  const startMs = clock.nowMs()
  const seen = { changes: [] as string[], asked: [] as number[], failures: [] as string[] }
  const made: Scene = {
    clock,
    ...seen,
    answer: 'refused',
    watch: new ProbeWatch({
      plan: { ...plan, ...settings },
      clock,
      first: 'failure',
      isEager: true,
      ask: async () => {
        seen.asked.push(clock.nowMs() - startMs)
        return made.answer
      },
      changed: () => seen.changes.push(made.watch.result),
      failed: (reason) => seen.failures.push(reason),
      ...more,
    }),
  }
  return made
}

describe('a probe that is waited for', () => {
  it('is asked soon and then less often, until it succeeds for the first time', async () => {
    const { clock, asked } = scene()
    await clock.advance(3_000)
    expect(asked.slice(0, 3)).toEqual([20, 50, 95])
    expect(asked.length).toBeLessThan(16)
    expect(Math.max(...asked.map((at, i) => at - (asked[i - 1] ?? 0)))).toBeLessThanOrEqual(1_000)
  })

  it('is told as soon as it succeeds, and then asked once a period', async () => {
    const it = scene()
    it.answer = undefined
    await it.clock.advance(20_020)
    expect({ changes: it.changes, asked: it.asked, reason: it.watch.reason }).toEqual({
      changes: ['success'],
      asked: [20, 10_020, 20_020],
      reason: '',
    })
  })

  it('fails no faster than its periods say, however often it is asked', async () => {
    const it = scene({ periodMs: 1_000 }, { first: 'unknown' })
    await it.clock.advance(3_000)
    expect([it.watch.result, it.failures.length]).toEqual(['unknown', 2])
    await it.clock.advance(1_500)
    expect([it.watch.result, it.changes]).toEqual(['failure', ['failure']])
  })

  it('comes back only after as many successes in a row as it says', async () => {
    const it = scene({ periodMs: 1_000, successThreshold: 3 })
    it.answer = undefined
    await it.clock.advance(50)
    expect(it.watch.result).toBe('failure')
    await it.clock.advance(100)
    expect(it.watch.result).toBe('success')
  })
})

describe('a probe', () => {
  it('fails only after as many failures in a row as it says, each told', async () => {
    const it = scene({ periodMs: 1_000 })
    it.answer = undefined
    await it.clock.advance(100)
    it.answer = 'refused'
    await it.clock.advance(2_000)
    expect(it.watch.result).toBe('success')
    await it.clock.advance(1_000)
    expect([it.watch.result, it.watch.reason, it.changes, it.failures]).toEqual([
      'failure',
      'refused',
      ['success', 'failure'],
      ['refused', 'refused', 'refused'],
    ])
  })

  it('that nobody waits for is asked once a period from the beginning', async () => {
    const it = scene({ periodMs: 1_000 }, { first: 'success', isEager: false })
    await it.clock.advance(2_500)
    expect([it.asked, it.watch.result]).toEqual([[20, 1_020, 2_020], 'failure'])
  })

  it('is not asked any more once it is stopped', async () => {
    const it = scene()
    it.watch.stop()
    await it.clock.advance(5_000)
    expect([it.asked, it.clock.pendingTimers]).toEqual([[], 0])
  })

  it('waits for the initial delay', async () => {
    const { clock, asked } = scene({ initialDelayMs: 2_000 })
    await clock.advance(2_020)
    expect(asked).toEqual([2_020])
  })

  it('is told that its time is over', async () => {
    const it = scene(
      { timeoutMs: 300, failureThreshold: 1 },
      {
        isEager: false,
        first: 'success',
        ask: (signal) => new Promise((late) => signal.addEventListener('abort', () => late('too late'))),
      },
    )
    await it.clock.advance(300)
    expect(it.watch.result).toBe('success')
    await it.clock.advance(20)
    expect([it.watch.result, it.watch.reason]).toEqual(['failure', 'too late'])
  })
})
