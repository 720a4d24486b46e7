import { describe, expect, it } from 'vitest'
import { type GuardedKind, Guards } from '../../../../src/shared/http2/guards.ts'
import { serverLimits } from '../../../../src/shared/http2/limits.ts'
import { TokenBucket } from '../../../../src/shared/http2/token-bucket.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('a token bucket', () => {
  it('lets a burst through, then as many as time earns', async () => {
    const clock = new FakeClock()
    const bucket = new TokenBucket(clock, 10)
    expect(Array.from({ length: 12 }, () => bucket.take())).toEqual([...Array(10).fill(true), false, false])
    await clock.advance(100)
    expect([bucket.take(), bucket.take()]).toEqual([true, false])
    await clock.advance(60_000)
    expect(Array.from({ length: 11 }, () => bucket.take()).filter(Boolean)).toHaveLength(10)
  })

  it('never holds more than a burst, whatever is granted', () => {
    const bucket = new TokenBucket(new FakeClock(), 3)
    bucket.grant(1000)
    expect(Array.from({ length: 5 }, () => bucket.take())).toEqual([true, true, true, false, false])
  })
})

describe('the guards', () => {
  const kinds: GuardedKind[] = ['reset', 'ping', 'settings', 'emptyData', 'windowUpdate', 'ignored']

  it.each(kinds)('end the connection with ENHANCE_YOUR_CALM at too many: %s', (kind) => {
    const limits = {
      ...serverLimits,
      ...Object.fromEntries(
        Object.keys(serverLimits)
          .filter((key) => key.endsWith('PerSecond'))
          .map((key) => [key, 5]),
      ),
    }
    const guards = new Guards(limits, new FakeClock())
    for (let i = 0; i < 5; i++) guards.count(kind)
    expect(() => guards.count(kind)).toThrow(
      expect.objectContaining({ scope: 'connection', h2Code: 0xb, code: 'HTTP2_LIMIT_EXCEEDED' }),
    )
    for (const other of kinds) if (other !== kind) guards.count(other)
  })

  it('let bulk earn its window updates', () => {
    const guards = new Guards({ ...serverLimits, windowUpdatesPerSecond: 10 }, new FakeClock())
    for (let i = 0; i < 1000; i++) {
      guards.onDataSent(16_384)
      guards.count('windowUpdate')
      guards.count('windowUpdate')
    }
  })
})
