import { expect, it } from 'vitest'
import { expiryNotice } from '../../../../src/istiod-lite/authority/expiry.ts'

const DAY_MS = 86_400_000

const rows: readonly [lifeDays: number, atDay: number, level: string | undefined][] = [
  [100, 0, undefined],
  [100, 79, undefined],
  [100, 81, 'warn'],
  [100, 100, 'error'],
  [3650, 3650 - 181, undefined],
  [3650, 3650 - 179, 'warn'],
  [0.001, 0.0009, 'warn'],
]
it.each(rows)('a CA of %d days is spoken of on day %d as: %s', (lifeDays, atDay, level) => {
  expect(expiryNotice(0, lifeDays * DAY_MS, atDay * DAY_MS)?.level).toBe(level)
})
