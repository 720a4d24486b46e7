import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReceiveWindow, SendWindow } from '../../../../src/shared/http2/windows.ts'

describe('the window that the peer gives us', () => {
  it('may become negative by a setting, and grows again', () => {
    const window = new SendWindow(100)
    expect(window.grow(-300)).toBe(true)
    expect(window.bytes).toBe(-200)
    expect(window.grow(250)).toBe(true)
    expect(window.bytes).toBe(50)
  })

  it('must not grow above 2^31-1', () => {
    const window = new SendWindow(65_535)
    expect(window.grow(2 ** 31 - 1 - 65_535)).toBe(true)
    expect(window.grow(1)).toBe(false)
  })
})

describe('the window that we give', () => {
  it('refuses one byte more than it is open', () => {
    const window = new ReceiveWindow(1000)
    expect(window.take(999)).toBe(true)
    expect(window.take(2)).toBe(false)
    expect(window.take(1)).toBe(true)
    expect(window.take(0)).toBe(true)
  })

  it('gives back in halves', () => {
    const window = new ReceiveWindow(1000)
    window.take(1000)
    expect(window.consume(499)).toBe(0)
    expect(window.consume(1)).toBe(500)
    expect(window.take(500)).toBe(true)
    expect(window.take(1)).toBe(false)
  })

  it('never gives back more than was received', () => {
    const window = new ReceiveWindow(1000)
    window.take(600)
    expect(window.consume(5000)).toBe(600)
    expect(window.heldBytes).toBe(0)
    expect(window.consume(1)).toBe(0)
  })

  it('gives back at once what a smaller size makes due', () => {
    const window = new ReceiveWindow(65_535)
    window.take(40_000)
    expect(window.consume(30_000)).toBe(0)
    expect(window.resize(16_384)).toBe(30_000)
  })

  it('never lets a peer send beyond its size, nor starve, whatever is taken and consumed', () => {
    const step = fc.record({ take: fc.nat(400), consume: fc.nat(400) })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(step, { maxLength: 100 }), (size, steps) => {
        const window = new ReceiveWindow(size)
        let credit = size
        let held = 0
        for (const { take, consume } of steps) {
          const isTaken = window.take(take)
          expect(isTaken).toBe(take <= credit)
          if (isTaken) {
            credit -= take
            held += take
          }
          credit += window.consume(consume)
          held -= Math.min(consume, held)
          expect(credit + held).toBeLessThanOrEqual(size)
        }
        credit += window.consume(held)
        expect(credit).toBeGreaterThan(0)
      }),
    )
  })
})
