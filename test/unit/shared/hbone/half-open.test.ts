import { describe, expect, it } from 'vitest'
import { endWhenHalfOpen, type StreamPump } from '#shared/hbone'
import { FakeClock } from '../../../support/fake-clock.ts'

function setUp(): {
  readonly clock: FakeClock
  readonly pump: { isHalfOpen: boolean; meter: { sentBytes: number; receivedBytes: number } }
  readonly aborted: () => boolean
  readonly stop: () => void
} {
  const clock = new FakeClock()
  let isAborted = false
  const abort = (): void => {
    isAborted = true
  }
  const pump = { isHalfOpen: false, meter: { sentBytes: 0, receivedBytes: 0 }, abort }
  // Only what is looked at.
  const stop = endWhenHalfOpen(pump as unknown as StreamPump, clock, 4_000)
  return { clock, pump, aborted: () => isAborted, stop }
}

describe('a tunnelled connection of which one side has ended', () => {
  it('is ended when the other is silent for long', async () => {
    const { clock, pump, aborted } = setUp()
    pump.isHalfOpen = true
    await clock.advance(4_000)
    expect(aborted()).toBe(false)
    await clock.advance(1_000)
    expect(aborted()).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('goes on while the other has something to say', async () => {
    const { clock, pump, aborted } = setUp()
    pump.isHalfOpen = true
    for (let i = 0; i < 20; i++) {
      pump.meter.receivedBytes++
      await clock.advance(3_000)
    }
    expect(aborted()).toBe(false)
  })

  it('is left alone while both are open, however silent', async () => {
    const { clock, aborted, stop } = setUp()
    await clock.advance(1_000_000)
    expect(aborted()).toBe(false)
    stop()
    expect(clock.pendingTimers).toBe(0)
  })
})
