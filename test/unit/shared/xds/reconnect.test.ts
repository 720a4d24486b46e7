import { describe, expect, it } from 'vitest'
import { ReconnectDelay, type StreamEnd, terminationReason } from '../../../../src/shared/xds/reconnect.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const ended = (code: number, worked = true): StreamEnd => ({ kind: 'ended', worked, status: { code, message: '' } })
const notOpened: StreamEnd = { kind: 'not-opened', reason: 'refused' }

describe('the wait before the next stream', () => {
  it('doubles while none can be opened any more, up to 15 s', () => {
    const delay = new ReconnectDelay(new FakeClock())
    delay.next(ended(14))
    const waits = Array.from({ length: 13 }, () => delay.next(notOpened))
    expect(waits).toEqual([20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 15_000, 15_000, 15_000])
  })

  it('stays short before the first stream, for 10 s', () => {
    const delay = new ReconnectDelay(new FakeClock())
    const waits = Array.from({ length: 64 }, () => delay.next(notOpened))
    expect(waits.slice(0, 6)).toEqual([20, 40, 80, 150, 150, 150])
    expect(Math.max(...waits)).toBe(150)
    expect(waits.reduce((sum, waitMs) => sum + waitMs, 0)).toBeLessThan(10_000)
    expect([delay.next(notOpened), delay.next(notOpened)]).toEqual([300, 600])
  })

  it('does not stay short for one who is not let in', () => {
    const delay = new ReconnectDelay(new FakeClock())
    const waits = Array.from({ length: 6 }, () => delay.next(ended(16, false)))
    expect(waits).toEqual([20, 40, 80, 160, 320, 640])
  })

  it.each([
    ['ended without an error', 0],
    ['was cancelled', 1],
    ['ended for an unknown reason', 2],
    ['ran into a deadline', 4],
    ['lost its server', 14],
  ])('is 10 to 200 ms after a stream that worked and %s', (_what, code) => {
    const clock = new FakeClock()
    const delay = new ReconnectDelay(clock)
    for (let i = 0; i < 5; i++) delay.next(notOpened)
    clock.randomValue = 0
    expect(delay.next(ended(code))).toBe(10)
    clock.randomValue = 1
    expect(delay.next(ended(code))).toBe(200)
    clock.randomValue = 0.5
    expect(delay.next(notOpened)).toBe(20)
  })

  it.each([
    ['was refused for its credentials', ended(16)],
    ['ended with an internal error', ended(13)],
    ['ended well before its first response', ended(0, false)],
    ['lost its server before its first response', ended(14, false)],
  ])('goes on doubling after a stream that %s', (_what, end) => {
    const delay = new ReconnectDelay(new FakeClock())
    delay.next(notOpened)
    expect(delay.next(end)).toBe(40)
  })

  it('is spread by half to both sides', () => {
    const clock = new FakeClock()
    clock.randomValue = 0
    expect(new ReconnectDelay(clock).next(notOpened)).toBe(10)
    clock.randomValue = 1
    expect(new ReconnectDelay(clock).next(notOpened)).toBe(30)
  })
})

describe('the reason that is counted', () => {
  it.each<[string, StreamEnd, string]>([
    ['a stream that was not opened', notOpened, 'ConnectionError'],
    ['a clean end', ended(0), 'Complete'],
    ['a quiet reconnect', ended(14), 'Reconnect'],
    ['the same before any response', ended(14, false), 'Error'],
    ['any other status', ended(7), 'Error'],
  ])('tells %s', (_what, end, reason) => {
    expect(terminationReason(end)).toBe(reason)
  })
})
