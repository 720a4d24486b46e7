import { expect, it } from 'vitest'
import { costOfMesh } from '../../support/mesh-scale.ts'

it('17: a mesh of 10,000 workloads and 5,000 services costs a tunnel bounded time and memory, and nothing once it is gone', () => {
  // The first one also fills what the process has only once: compiled code, tables of texts.
  const costs = [costOfMesh(10_000, 5_000), costOfMesh(10_000, 5_000)]
  for (const { loadMs, keptBytes, slowestChangeMs, lookUpUs } of costs) {
    expect(loadMs).toBeLessThan(6_000)
    expect(keptBytes).toBeLessThan(40 << 20)
    expect(slowestChangeMs).toBeLessThan(500)
    expect(lookUpUs).toBeLessThan(200)
  }
  expect(costs[1]?.leftBytes).toBeLessThan(2 << 20)
})
