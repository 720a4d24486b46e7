import { describe, expect, it } from 'vitest'
import { SlabPool } from '#shared/net'
import { FakeClock } from '../../../support/fake-clock.ts'

const settings = { slabBytes: 64, maxFree: 3, maxLive: 4, trimIntervalMs: 1_000 }

describe('a slab pool', () => {
  it('gives a released buffer out again', () => {
    const pool = new SlabPool(settings, new FakeClock())
    const slab = pool.acquire()
    const { buffer } = slab
    slab.retain()
    slab.release()
    expect(pool.freeCount).toBe(0)
    slab.release()
    expect(pool.acquire().buffer).toBe(buffer)
  })

  it('tells whether somebody else holds a slab', () => {
    const slab = new SlabPool(settings, new FakeClock()).acquire()
    expect(slab.isUnshared).toBe(true)
    slab.retain()
    expect(slab.isUnshared).toBe(false)
    slab.release()
    expect(slab.isUnshared).toBe(true)
  })

  it('refuses extra slabs beyond its bound, but never needed ones', () => {
    const pool = new SlabPool(settings, new FakeClock())
    const slabs = Array.from({ length: 4 }, () => pool.tryAcquire())
    expect(slabs.every((slab) => slab !== undefined)).toBe(true)
    expect(pool.tryAcquire()).toBeUndefined()
    expect(pool.acquire().buffer.length).toBe(64)
    expect(pool.liveCount).toBe(5)
  })

  it('keeps no more than its bound', () => {
    const pool = new SlabPool(settings, new FakeClock())
    const slabs = Array.from({ length: 5 }, () => pool.acquire())
    for (const slab of slabs) slab.release()
    expect([pool.freeCount, pool.liveCount]).toEqual([3, 0])
  })

  it('drops what a whole interval did not need, and sleeps when it is empty', async () => {
    const clock = new FakeClock()
    const pool = new SlabPool(settings, clock)
    const slabs = Array.from({ length: 3 }, () => pool.acquire())
    for (const slab of slabs) slab.release()
    for (let i = 0; i < 5; i++) {
      pool.acquire().release()
      await clock.advance(200)
    }
    await clock.advance(1_000)
    expect(pool.freeCount).toBeLessThan(3)
    await clock.advance(5_000)
    expect([pool.freeCount, clock.pendingTimers]).toEqual([0, 0])
  })

  it('says so when a slab is released too often', () => {
    const slab = new SlabPool(settings, new FakeClock()).acquire()
    slab.release()
    expect(() => slab.release()).toThrow('more often')
  })
})
