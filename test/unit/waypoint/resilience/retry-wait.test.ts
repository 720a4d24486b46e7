import { describe, expect, it } from 'vitest'
import { waitBeforeRetryMs } from '../../../../src/waypoint/resilience/retry-wait.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { ListFields, retryPolicy } from './fakes.ts'

const policy = retryPolicy({ backoff: { baseMs: 25, longestMs: 250 } })

function wait(lines: readonly (readonly [string, string])[], leftMs?: number, random = 0): number | undefined {
  const clock = new FakeClock(Date.UTC(2026, 0, 1))
  clock.randomValue = random
  return waitBeforeRetryMs(policy, 1, new ListFields(lines), leftMs, clock)
}

describe('waitBeforeRetryMs', () => {
  it('doubles the time of which a random part is taken, up to the longest', () => {
    const clock = new FakeClock()
    clock.randomValue = 1
    const waits = [1, 2, 3, 4, 5, 60].map((retry) => waitBeforeRetryMs(policy, retry, undefined, undefined, clock))
    expect(waits).toEqual([25, 50, 100, 200, 250, 250])
    clock.randomValue = 0
    expect(waitBeforeRetryMs(policy, 5, undefined, undefined, clock)).toBe(0)
  })

  it.each([
    ['seconds', [['retry-after', '2']], 2000],
    ['a date', [['retry-after', 'Thu, 01 Jan 2026 00:00:03 GMT']], 3000],
    ['a date that has passed', [['retry-after', 'Wed, 31 Dec 2025 00:00:03 GMT']], 0],
    ['no date', [['retry-after', 'soon']], 0],
    ['a negative number', [['retry-after', '-1']], 0],
    ['seconds of a limit', [['x-ratelimit-reset', '4']], 4000],
    ['a time of day of a limit', [['x-ratelimit-reset', String(Date.UTC(2026, 0, 1) / 1000 + 5)]], 5000],
    [
      'both: the standard’s own',
      [
        ['retry-after', '1'],
        ['x-ratelimit-reset', '4'],
      ],
      1000,
    ],
  ] as const)('waits for what the endpoint asks for: %s', (_what, lines, expected) => {
    expect(wait(lines)).toBe(expected)
  })

  it.each([
    ['within the deadline', '2', 2500, 2000],
    ['beyond the deadline', '2', 2000, undefined],
    ['beyond what anybody waits without a deadline', '11', undefined, undefined],
    ['long, but within a longer deadline', '11', 12_000, 11_000],
  ])('%s', (_what, after, leftMs, expected) => {
    expect(wait([['retry-after', after]], leftMs)).toBe(expected)
  })
})
