import { expect, it } from 'vitest'
import { costOfMesh } from '../support/mesh-scale.ts'

it('a mesh of 100,000 workloads and 50,000 services costs a tunnel bounded time and memory, and nothing once it is gone', () => {
  const costs = [costOfMesh(100_000, 50_000), costOfMesh(100_000, 50_000)]
  for (const cost of costs) {
    process.stdout.write(`${JSON.stringify(cost)}\n`)
    expect(cost.loadMs).toBeLessThan(30_000)
    expect(cost.keptBytes).toBeLessThan(400 << 20)
    expect(cost.slowestChangeMs).toBeLessThan(500)
    expect(cost.lookUpUs).toBeLessThan(200)
  }
  expect(costs[1]?.leftBytes).toBeLessThan(4 << 20)
})
