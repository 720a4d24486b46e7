import { describe, expect, it } from 'vitest'
import { type ReadinessProbe, ReadinessWatch } from '../../../../src/local/kubelet/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const probe: ReadinessProbe = {
  check: { kind: 'tcp', port: 80 },
  initialDelayMs: 0,
  periodMs: 10_000,
  timeoutMs: 1_000,
  successThreshold: 1,
  failureThreshold: 3,
}

interface Scene {
  readonly clock: FakeClock
  readonly watch: ReadinessWatch
  readonly changes: boolean[]
  readonly asked: number[]
  answer: string | undefined
}

function scene(settings: Partial<ReadinessProbe> = {}): Scene {
  const clock = new FakeClock()
  const startMs = clock.nowMs()
  const changes: boolean[] = []
  const asked: number[] = []
  const made: Scene = {
    clock,
    changes,
    asked,
    answer: 'refused',
    watch: new ReadinessWatch(
      { ...probe, ...settings },
      clock,
      async () => {
        asked.push(clock.nowMs() - startMs)
        return made.answer
      },
      () => changes.push(made.watch.isReady),
    ),
  }
  return made
}

describe('readiness', () => {
  it('is asked soon and then less often, until the container is ready for the first time', async () => {
    const { clock, asked } = scene()
    await clock.advance(3_000)
    expect(asked.slice(0, 3)).toEqual([20, 50, 95])
    expect(asked.length).toBeLessThan(16)
    expect(Math.max(...asked.map((at, i) => at - (asked[i - 1] ?? 0)))).toBeLessThanOrEqual(1_000)
  })

  it('is told as soon as it is there, and then asked once a period', async () => {
    const it = scene()
    it.answer = undefined
    await it.clock.advance(20_020)
    expect({ changes: it.changes, asked: it.asked, reason: it.watch.reason }).toEqual({
      changes: [true],
      asked: [20, 10_020, 20_020],
      reason: '',
    })
  })

  it('is lost only after as many failures in a row as the probe says', async () => {
    const it = scene({ periodMs: 1_000 })
    it.answer = undefined
    await it.clock.advance(100)
    it.answer = 'refused'
    await it.clock.advance(2_000)
    expect(it.watch.isReady).toBe(true)
    await it.clock.advance(1_000)
    expect([it.watch.isReady, it.watch.reason, it.changes]).toEqual([false, 'refused', [true, false]])
  })

  it('comes back only after as many successes in a row as the probe says', async () => {
    const it = scene({ periodMs: 1_000, successThreshold: 3 })
    it.answer = undefined
    await it.clock.advance(50)
    expect(it.watch.isReady).toBe(false)
    await it.clock.advance(100)
    expect(it.watch.isReady).toBe(true)
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
})
