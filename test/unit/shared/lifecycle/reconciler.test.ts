import { beforeEach, describe, expect, it } from 'vitest'
import { Reconciler } from '#shared/lifecycle'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

describe('a reconciler', () => {
  let clock: FakeClock
  let started: string[]
  let failures: string[]
  let running: Map<string, { readonly resolve: () => void; readonly reject: (error: Error) => void }>
  let reconciler: Reconciler

  beforeEach(() => {
    clock = new FakeClock()
    started = []
    failures = []
    running = new Map()
    reconciler = new Reconciler({
      clock,
      reconcile: (key) => {
        started.push(key)
        return new Promise((resolve, reject) => running.set(key, { resolve, reject }))
      },
      onFailure: (key, error) => failures.push(`${key}: ${(error as Error).message}`),
      concurrency: 2,
      firstRetryMs: 100,
      maxRetryMs: 300,
    })
  })

  const finish = async (key: string): Promise<void> => {
    running.get(key)?.resolve()
    await settle()
  }
  const fail = async (key: string): Promise<void> => {
    running.get(key)?.reject(new Error('no'))
    await settle()
  }

  it('works on as many keys at once as it may, in the order in which they were asked for', async () => {
    for (const key of ['a', 'b', 'c', 'd', 'c']) reconciler.ask(key)
    expect(started).toEqual(['a', 'b'])
    await finish('b')
    expect(started).toEqual(['a', 'b', 'c'])
    await finish('a')
    expect(started).toEqual(['a', 'b', 'c', 'd'])
  })

  it('never works on a key twice at once, and once more on one that was asked for meanwhile', async () => {
    reconciler.ask('a')
    reconciler.ask('a')
    reconciler.ask('a')
    expect(started).toEqual(['a'])
    await finish('a')
    expect(started).toEqual(['a', 'a'])
    await finish('a')
    expect(started).toEqual(['a', 'a'])
  })

  it('tries a key that fails again, later each time, while others go on', async () => {
    reconciler.ask('a')
    await fail('a')
    reconciler.ask('b')
    await finish('b')
    expect(started).toEqual(['a', 'b'])
    for (const waitMs of [100, 200, 300, 300]) {
      await clock.advance(waitMs - 1)
      const before = started.length
      await clock.advance(1)
      expect(started.length).toBe(before + 1)
      await fail('a')
    }
    expect(failures).toHaveLength(5)
    await clock.advance(300)
    await finish('a')
    reconciler.ask('a')
    await fail('a')
    await clock.advance(100)
    expect(started.filter((key) => key === 'a')).toHaveLength(8)
  })

  it('tries a key that failed at once when it is asked for', async () => {
    reconciler.ask('a')
    await fail('a')
    reconciler.ask('a')
    expect(started).toEqual(['a', 'a'])
    await finish('a')
    expect(clock.pendingTimers).toBe(0)
  })

  it('starts nothing more once it is closed, and waits for what runs', async () => {
    for (const key of ['a', 'b', 'c']) reconciler.ask(key)
    let isClosed = false
    void reconciler.close().then(() => {
      isClosed = true
    })
    await finish('a')
    expect([isClosed, started]).toEqual([false, ['a', 'b']])
    await fail('b')
    expect(isClosed).toBe(true)
    reconciler.ask('d')
    expect([started.length, failures, clock.pendingTimers]).toEqual([2, [], 0])
  })
})
