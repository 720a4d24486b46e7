import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Stream } from '../../../../src/shared/http2/stream.ts'
import { StreamTable } from '../../../../src/shared/http2/stream-table.ts'

/** The table looks at ids only. */
const stream = (id: number): Stream => ({ id }) as Stream

describe('StreamTable', () => {
  it.each([
    ['neighbours', [1, 3, 5]],
    ['ids of the same home', [1, 33, 65, 97]],
    ['ids that wrap around the end', [29, 31, 61, 63, 1]],
    ['more than it has slots at first', Array.from({ length: 100 }, (_, i) => 2 * i + 1)],
    ['the largest id', [2 ** 31 - 1, 1]],
  ])('finds %s, each while it is open', (_what, ids) => {
    const table = new StreamTable()
    for (const id of ids) table.add(stream(id))
    expect(table.size).toBe(ids.length)
    for (const [at, id] of ids.entries()) {
      table.delete(id)
      expect(table.get(id)).toBeUndefined()
      expect(ids.slice(at + 1).map((left) => table.get(left)?.id)).toEqual(ids.slice(at + 1))
    }
    expect(table.size).toBe(0)
  })

  it('takes the end of a stream that is not there for nothing', () => {
    const table = new StreamTable()
    table.add(stream(1))
    table.delete(33)
    expect(table.streams().map(({ id }) => id)).toEqual([1])
  })

  it('holds what a Map would, whatever opens and ends', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(60)), { maxLength: 300 })
    fc.assert(
      fc.property(steps, (all) => {
        const table = new StreamTable()
        const map = new Map<number, Stream>()
        for (const [isOpening, number] of all) {
          const id = 2 * number + 1
          if (!isOpening) {
            table.delete(id)
            map.delete(id)
          } else if (!map.has(id)) {
            const opened = stream(id)
            table.add(opened)
            map.set(id, opened)
          }
          expect(table.get(id)).toBe(map.get(id))
          expect(new Set(table.streams())).toEqual(new Set(map.values()))
          expect(table.size).toBe(map.size)
        }
      }),
    )
  })
})
