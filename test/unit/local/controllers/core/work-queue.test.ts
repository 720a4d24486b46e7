import { beforeEach, describe, expect, it } from 'vitest'
import { WorkQueue } from '../../../../../src/local/controllers/core/work-queue.ts'
import { FakeClock, settle } from '../../../../support/fake-clock.ts'

describe('a work queue', () => {
  let clock: FakeClock
  let started: string[]
  let ends: (() => void)[]
  let failures: number

  beforeEach(() => {
    clock = new FakeClock()
    started = []
    ends = []
    failures = 0
  })

  const queue = (handle: (key: string) => Promise<number | undefined>, parallel = 1): WorkQueue =>
    new WorkQueue({ clock, parallel, handle, failed: () => failures++ })
  const blocking = (key: string): Promise<undefined> => {
    started.push(key)
    return new Promise((resolve) => ends.push(() => resolve(undefined)))
  }

  it('does a key once, however often it was added', async () => {
    const work = queue(blocking)
    work.add('a')
    await settle()
    for (let i = 0; i < 5; i++) work.add('b')
    ends.shift()?.()
    await settle()
    expect(started).toEqual(['a', 'b'])
  })

  it('does a key again that is added while it runs, but never twice at once', async () => {
    const work = queue(blocking, 4)
    work.add('a')
    await settle()
    work.add('a')
    await settle()
    expect(started).toEqual(['a'])
    ends.shift()?.()
    await settle()
    expect(started).toEqual(['a', 'a'])
  })

  it('works on no more keys at once than it may', async () => {
    const work = queue(blocking, 2)
    for (const key of ['a', 'b', 'c']) work.add(key)
    await settle()
    expect(started).toEqual(['a', 'b'])
  })

  it('tries what fails again, later each time, until it works', async () => {
    const times: number[] = []
    const work = queue(async () => {
      times.push(clock.nowMs())
      if (times.length < 4) throw new Error('not yet')
      return undefined
    })
    work.add('a')
    await settle()
    await clock.advance(1_000)
    expect(times.slice(1).map((at, i) => at - (times[i] ?? 0))).toEqual([10, 20, 40])
    expect(failures).toBe(3)
  })

  it('looks again when asked to, at the earliest of several times', async () => {
    const work = queue(async () => {
      started.push('run')
      return undefined
    })
    work.addAfter('a', 500)
    work.addAfter('a', 100)
    work.addAfter('a', 900)
    await clock.advance(100)
    expect(started).toHaveLength(1)
    await clock.advance(2_000)
    expect(started).toHaveLength(1)
  })

  it('waits at its end for what runs, and starts nothing more', async () => {
    const work = queue(blocking)
    work.add('a')
    work.add('b')
    await settle()
    let isClosed = false
    const closing = work.close().then(() => {
      isClosed = true
    })
    await settle()
    expect(isClosed).toBe(false)
    ends.shift()?.()
    await closing
    expect(started).toEqual(['a'])
    expect(clock.pendingTimers).toBe(0)
  })
})
