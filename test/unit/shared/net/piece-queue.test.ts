import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PieceQueue, type Slab, SlabPool } from '#shared/net'
import { FakeClock } from '../../../support/fake-clock.ts'

const pool = (): SlabPool =>
  new SlabPool({ slabBytes: 64, maxFree: 9, maxLive: 99, trimIntervalMs: 1 }, new FakeClock())

describe('a piece queue', () => {
  it('gives pieces back in order, and grows the last where bytes adjoin', () => {
    const [queue, slabs] = [new PieceQueue(), pool()]
    const [a, b] = [slabs.acquire(), slabs.acquire()]
    queue.push(a, 0, 10)
    expect(queue.growLast(a, 11, 5)).toBe(false)
    expect(queue.growLast(b, 10, 5)).toBe(false)
    expect(queue.growLast(a, 10, 5)).toBe(true)
    queue.push(b, 3, 4)
    expect([queue.first, queue.firstStart, queue.firstEnd]).toEqual([a, 0, 15])
    queue.cutFirst(6)
    expect([queue.firstStart, queue.firstEnd]).toEqual([6, 15])
    expect(queue.shift()).toBe(a)
    expect([queue.firstStart, queue.firstEnd]).toEqual([3, 4])
    expect(queue.shift()).toBe(b)
    expect([queue.shift(), queue.isEmpty, queue.growLast(b, 4, 1)]).toEqual([undefined, true, false])
  })

  it('releases what it holds when it is cleared', () => {
    const [queue, slabs] = [new PieceQueue(), pool()]
    for (let i = 0; i < 5; i++) queue.push(slabs.acquire(), 0, i)
    queue.shift()?.release()
    queue.clear()
    expect([slabs.liveCount, queue.isEmpty]).toEqual([0, true])
  })

  it('behaves as a list does', () => {
    const slab = pool().acquire()
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(60), { nil: undefined }), { maxLength: 60 }), (steps) => {
        const queue = new PieceQueue()
        const list: [Slab, number, number][] = []
        for (const start of steps) {
          if (start === undefined) {
            const [, firstStart, firstEnd] = list.shift() ?? [undefined, queue.firstStart, queue.firstEnd]
            expect([queue.firstStart, queue.firstEnd]).toEqual([firstStart, firstEnd])
            queue.shift()
          } else {
            queue.push(slab, start, start + 1)
            list.push([slab, start, start + 1])
          }
          expect(queue.isEmpty).toBe(list.length === 0)
        }
      }),
    )
  })
})
