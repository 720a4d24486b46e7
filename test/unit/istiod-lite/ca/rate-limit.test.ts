import { describe, expect, it } from 'vitest'
import { RateLimit } from '../../../../src/istiod-lite/ca/rate-limit.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('a rate limit', () => {
  it('lets a burst through, then so many a second, for each caller by itself', async () => {
    const clock = new FakeClock()
    const limit = new RateLimit(clock, { burst: 3, perSecond: 2 })
    const take = (caller: string, times: number): number =>
      Array.from({ length: times }, () => limit.take(caller)).filter(Boolean).length
    expect(take('a', 5)).toBe(3)
    expect(take('b', 1)).toBe(1)
    await clock.advance(1_000)
    expect(take('a', 5)).toBe(2)
    await clock.advance(60_000)
    expect(take('a', 9)).toBe(3)
  })

  it('forgets who called longest ago when there are too many', () => {
    const limit = new RateLimit(new FakeClock(), { burst: 1, perSecond: 1 })
    limit.take('first')
    for (let i = 0; i < 10_000; i++) limit.take(`caller ${i}`)
    expect(limit.take('caller 9999')).toBe(false)
    expect(limit.take('first')).toBe(true)
  })
})
