import { expect, it } from 'vitest'
import { apiOutage } from '../../support/api-outage.ts'

it('an API server that is away changes nothing for tunnels, and nothing is sent again when it is back', async () => {
  const { before, held, during, after, connects } = await apiOutage(1_500)
  expect(before).toHaveLength(20)
  expect(during).toEqual([])
  expect(after).toEqual([['+Kubernetes//Pod/shop/late']])
  expect(held).toEqual([...before, 'Kubernetes//Pod/shop/late'].sort())
  expect(connects).toBe(1)
})
