import { describe, expect, it } from 'vitest'
import { Debounce } from '../../../../src/istiod-lite/push/debounce.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const make = () => {
  const clock = new FakeClock()
  const told: string[] = []
  const debounce = new Debounce(clock, { quietMs: 20, longestMs: 100 }, (changes, sinceMs) => {
    told.push(
      `${[...changes].map(([type, names]) => `${type}=${names.join()}`).join(' ')} after ${clock.monotonicMs() - sinceMs}`,
    )
  })
  return { clock, told, debounce }
}

describe('a burst of changes', () => {
  it('is told once it has been quiet, each name once', async () => {
    const { clock, told, debounce } = make()
    debounce.add('w', ['a', 'b'])
    await clock.advance(19)
    debounce.add('p', ['x'])
    debounce.add('w', ['a', 'c'])
    await clock.advance(19)
    expect(told).toEqual([])
    await clock.advance(1)
    expect(told).toEqual(['w=a,b,c p=x after 39'])
  })

  it('is told after the longest time even if it goes on', async () => {
    const { clock, told, debounce } = make()
    for (let i = 0; i < 12; i++) {
      debounce.add('w', [`n${i}`])
      await clock.advance(10)
    }
    expect(told).toEqual(['w=n0,n1,n2,n3,n4,n5,n6,n7,n8,n9 after 100'])
    await clock.advance(100)
    expect(told[1]).toBe('w=n10,n11 after 30')
  })

  it('is dropped when nobody is left to be told', async () => {
    const { clock, told, debounce } = make()
    debounce.add('w', ['a'])
    debounce.close()
    await clock.advance(1_000)
    expect(told).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })
})
