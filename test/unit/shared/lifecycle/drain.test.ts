import { describe, expect, it } from 'vitest'
import { Drain, type DrainOrder, drainDeadlineMs, IMMEDIATE_DRAIN, type Seated } from '#shared/lifecycle'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

interface Piece extends Seated {
  readonly name: string
}

function drainOf() {
  const clock = new FakeClock()
  const cut: string[] = []
  const pieces = new Map<string, Piece>()
  const pieceOf = (name: string): Piece => {
    const piece = pieces.get(name) ?? { seat: -1, name }
    pieces.set(name, piece)
    return piece
  }
  const draining: Drain<Piece> = new Drain(clock, (work) => {
    cut.push(work.name)
    draining.leave(work)
  })
  const drain = {
    enter: (name: string): void => draining.enter(pieceOf(name)),
    leave: (name: string): void => draining.leave(pieceOf(name)),
    drain: (order: DrainOrder): Promise<void> => draining.drain(order),
    isDraining: (): boolean => draining.isDraining,
  }
  let isDone = false
  const start = (order = { mode: 'graceful', deadlineMs: 1000 } as DrainOrder): void => {
    void drain.drain(order).then(() => {
      isDone = true
    })
  }
  return { clock, cut, drain, start, isDone: () => isDone }
}

describe('Drain', () => {
  it('ends as soon as the last work leaves', async () => {
    const { clock, cut, drain, start, isDone } = drainOf()
    drain.enter('a')
    start()
    await clock.advance(999)
    expect(isDone()).toBe(false)
    drain.leave('a')
    await settle()
    expect(isDone()).toBe(true)
    expect(cut).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  it('cuts at the deadline what is left', async () => {
    const { clock, cut, drain, start, isDone } = drainOf()
    drain.enter('a')
    drain.enter('b')
    start()
    await clock.advance(1000)
    expect(cut).toEqual(['a', 'b'])
    expect(isDone()).toBe(true)
  })

  it('cuts at once when told to, also in the middle of a graceful drain', async () => {
    const { cut, drain, start, isDone } = drainOf()
    drain.enter('a')
    start()
    start(IMMEDIATE_DRAIN)
    await settle()
    expect(cut).toEqual(['a'])
    expect(isDone()).toBe(true)
    expect(drain.isDraining()).toBe(true)
  })
})

describe('drainDeadlineMs', () => {
  it.each([
    [undefined, undefined, 5000],
    [7000, 30, 7000],
    [undefined, 30, 25_000],
    [undefined, 11, 6000],
    [undefined, 10, 9000],
    [undefined, 1, 1000],
  ])('deadline %s ms, grace period %s s: %d ms', (deadline, grace, ms) => {
    expect(drainDeadlineMs(deadline, grace)).toBe(ms)
  })
})
