import { expect, it } from 'vitest'
import { keepHeapTrimmed } from '../../../src/ztunnel/memory.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const LOOK_MS = 15_000

it.each([
  ['a quiet process at each look', [0.1, 0.1, 0.1, 0.1], [1, 2, 3, 4]],
  ['a busy one when it is quiet again', [0.9, 0.9, 0.1, 0.9], [0, 0, 1, 1]],
  ['one that is never quiet once a minute', [1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1, 2]],
])('gives the memory back of %s', async (_, loads, trims) => {
  const clock = new FakeClock()
  let count = 0
  const left = [...loads]
  const trimming = { utilization: () => left.shift() ?? 0, trim: () => ++count > 0 }
  keepHeapTrimmed(clock, trimming)
  const seen: number[] = []
  for (const _load of loads) {
    await clock.advance(LOOK_MS)
    seen.push(count)
  }
  expect(seen).toEqual(trims)
})

it('looks no more where the C library gives nothing back, nor when it is closed', async () => {
  for (const isThere of [false, true]) {
    const clock = new FakeClock()
    let count = 0
    const trim = (): boolean => {
      count++
      return isThere
    }
    const trims = keepHeapTrimmed(clock, { utilization: () => 0, trim })
    await clock.advance(LOOK_MS)
    if (isThere) await trims.close()
    await clock.advance(LOOK_MS)
    expect(count).toBe(1)
  }
})
