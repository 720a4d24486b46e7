import { expect, it } from 'vitest'
import { killReplicas } from '../support/replicas.ts'

it('replicas of which one is killed every 10 s for 2 minutes lose no change', async () => {
  const { held, expected, resent, changes } = await killReplicas(12, 10_000)
  expect(changes).toBeGreaterThan(500)
  for (const names of held) expect(names).toEqual(expected)
  expect(resent).toBe(0)
}, 240_000)
