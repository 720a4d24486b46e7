import { expect, it } from 'vitest'
import { apiOutage } from '../support/api-outage.ts'

it('an API server that is away for a minute changes nothing for tunnels, and nothing is sent again', async () => {
  const { before, held, during, after, connects } = await apiOutage(60_000)
  expect(during).toEqual([])
  expect(after).toEqual([['+Kubernetes//Pod/shop/late']])
  expect(held).toHaveLength(before.length + 1)
  expect(connects).toBe(1)
}, 180_000)
