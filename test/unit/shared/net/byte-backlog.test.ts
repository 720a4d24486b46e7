import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBacklog, smallSlabs, tinySlabs } from '#shared/net'

function take(into: number[], atMost: number): (bytes: Uint8Array, start: number, end: number) => number {
  return (bytes, start, end) => {
    const taken = Math.min(end - start, atMost - into.length)
    into.push(...bytes.subarray(start, start + taken))
    return taken
  }
}

describe('bytes that wait', () => {
  it('come out as they went in, however they are cut on either side', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ put: fc.uint8Array({ maxLength: 9000 }) }),
        fc.record({ get: fc.integer({ min: 0, max: 12_000 }) }),
      ),
    )
    fc.assert(
      fc.property(steps, (all) => {
        const backlog = new ByteBacklog()
        const model: number[] = []
        for (const step of all) {
          if ('put' in step) {
            backlog.push(step.put, 0, step.put.length)
            model.push(...step.put)
          } else {
            const got: number[] = []
            const isEmpty = backlog.drain(take(got, step.get))
            expect(got).toEqual(model.splice(0, step.get))
            expect(isEmpty).toBe(model.length === 0)
          }
          expect(backlog.bytes).toBe(model.length)
        }
        backlog.clear()
        expect(backlog.bytes).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  it('hold no memory of the pools once they are gone', () => {
    const [small, tiny] = [smallSlabs.liveCount, tinySlabs.liveCount]
    const backlog = new ByteBacklog()
    backlog.push(new Uint8Array(300_000), 0, 300_000)
    backlog.push(new Uint8Array(10), 3, 7)
    expect(backlog.drain((_, start, end) => end - start)).toBe(true)
    backlog.push(new Uint8Array(10), 3, 7)
    backlog.clear()
    expect([smallSlabs.liveCount, tinySlabs.liveCount]).toEqual([small, tiny])
  })
})
