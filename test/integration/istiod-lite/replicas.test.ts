import { expect, it } from 'vitest'
import { killReplicas } from '../../support/replicas.ts'

it('replicas that are killed lose no change and send nothing again that a client holds', async () => {
  const { held, expected, resent, changes } = await killReplicas(2, 500)
  expect(changes).toBeGreaterThan(10)
  for (const names of held) expect(names).toEqual(expected)
  expect(resent).toBe(0)
}, 60_000)
