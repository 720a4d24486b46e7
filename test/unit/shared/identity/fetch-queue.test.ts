import { describe, expect, it } from 'vitest'
import { type SpiffeId, spiffeId } from '#shared/model'
import { FetchQueue, type Priority, priorities } from '../../../../src/shared/identity/fetch-queue.ts'
import { settle } from '../../../support/fake-clock.ts'

const id = (serviceAccount: string): SpiffeId => spiffeId({ trustDomain: 'td', namespace: 'ns', serviceAccount })
const { realTime, warmUp, background } = priorities

/** A queue whose fetches end when the test says so. */
function queue(): {
  queue: FetchQueue
  started: string[]
  finish: (name: string, again?: Priority) => Promise<void>
} {
  const started: string[] = []
  const running = new Map<string, (again: Priority | undefined) => void>()
  const made = new FetchQueue((one) => {
    const name = one.split('/').at(-1) ?? ''
    started.push(name)
    return new Promise((resolve) => running.set(name, resolve))
  })
  const finish = async (name: string, again?: Priority): Promise<void> => {
    running.get(name)?.(again)
    await settle()
  }
  return { queue: made, started, finish }
}

describe('fetches', () => {
  it('are eight at a time', async () => {
    const { queue: fetches, started, finish } = queue()
    for (let i = 0; i < 10; i++) fetches.add(id(`r${i}`), realTime, 0)
    expect(started).toEqual(['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7'])
    await finish('r3')
    expect(started.at(-1)).toBe('r8')
    expect([fetches.inFlightCount, fetches.waitingCount]).toEqual([8, 1])
  })

  it('leave two places to connections that wait', async () => {
    const { queue: fetches, started, finish } = queue()
    for (let i = 0; i < 10; i++) fetches.add(id(`w${i}`), i % 2 === 0 ? warmUp : background, i)
    expect(started).toHaveLength(6)
    fetches.add(id('r0'), realTime, 99)
    fetches.add(id('r1'), realTime, 99)
    fetches.add(id('r2'), realTime, 99)
    expect(started.slice(6)).toEqual(['r0', 'r1'])
    await finish('w0')
    expect(started.at(-1)).toBe('r2')
  })

  it('are taken by priority, then by due time, then by arrival', async () => {
    const { queue: fetches, started, finish } = queue()
    for (let i = 0; i < 8; i++) fetches.add(id(`r${i}`), realTime, 0)
    fetches.add(id('late'), background, 20)
    fetches.add(id('early'), background, 10)
    fetches.add(id('warm'), warmUp, 30)
    fetches.add(id('warm-too'), warmUp, 30)
    fetches.add(id('now'), realTime, 40)
    for (let i = 0; i < 8; i++) await finish(`r${i}`)
    expect(started.slice(8)).toEqual(['now', 'warm', 'warm-too', 'early', 'late'])
  })

  it('are raised by a connection that waits, and never begun twice', async () => {
    const { queue: fetches, started, finish } = queue()
    for (let i = 0; i < 8; i++) fetches.add(id(`r${i}`), realTime, 0)
    fetches.add(id('warm'), warmUp, 0)
    fetches.add(id('raised'), background, 0)
    fetches.add(id('raised'), realTime, 0)
    fetches.add(id('raised'), background, 0)
    fetches.add(id('r1'), realTime, 0)
    await finish('r0')
    expect(started.at(-1)).toBe('raised')
    await finish('raised')
    await finish('r1')
    expect(started.filter((name) => name === 'raised' || name === 'r1')).toEqual(['r1', 'raised'])
  })

  it('are begun again when they ask for it, and not when they are taken back', async () => {
    const { queue: fetches, started, finish } = queue()
    fetches.add(id('a'), realTime, 0)
    await finish('a', warmUp)
    expect(started).toEqual(['a', 'a'])
    for (let i = 0; i < 7; i++) fetches.add(id(`r${i}`), realTime, 0)
    fetches.add(id('gone'), realTime, 0)
    fetches.remove(id('gone'))
    await finish('a')
    expect(started).not.toContain('gone')
  })
})
