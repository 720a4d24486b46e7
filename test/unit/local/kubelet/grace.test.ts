import { expect, it } from 'vitest'
import { Grace } from '../../../../src/local/kubelet/grace.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

it('is over after its time, and only then', async () => {
  const clock = new FakeClock()
  const grace = new Grace(clock, 1_000)
  await clock.advance(999)
  expect(grace.over.aborted).toBe(false)
  await clock.advance(1)
  expect([grace.over.aborted, grace.isForced]).toEqual([true, false])
})

it('gets shorter and never longer', async () => {
  const clock = new FakeClock()
  const grace = new Grace(clock, 1_000)
  grace.shorten(5_000)
  grace.shorten(300)
  grace.shorten(500)
  await clock.advance(300)
  expect([grace.over.aborted, clock.pendingTimers]).toEqual([true, 0])
})

it('of nothing is over at once and forced, also later', () => {
  const clock = new FakeClock()
  const grace = new Grace(clock, 1_000)
  grace.shorten(0)
  expect([grace.over.aborted, grace.isForced, new Grace(clock, 0).isForced]).toEqual([true, true, true])
})

it.each([
  ['in time', 400, false],
  ['forced', 0, true],
])('ends with another that it follows: %s', async (_what, ms, isForced) => {
  const clock = new FakeClock()
  const own = new Grace(clock, 60_000)
  const other = new Grace(clock, 60_000)
  own.follow(other)
  other.shorten(ms)
  await clock.advance(ms)
  expect([own.over.aborted, own.isForced, clock.pendingTimers]).toEqual([true, isForced, 0])
})
