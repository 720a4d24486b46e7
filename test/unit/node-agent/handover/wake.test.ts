import { describe, expect, it } from 'vitest'
import { Wake } from '../../../../src/node-agent/handover/wake.ts'
import { FakeClock, settle } from '../../../support/fake-clock.ts'

describe('a loop that sleeps', () => {
  function sleeper(wake: Wake, timeoutMs: number): { isAwake: boolean } {
    const state = { isAwake: false }
    void wake.sleep(timeoutMs).then(() => {
      state.isAwake = true
    })
    return state
  }

  it('goes on after its time', async () => {
    const clock = new FakeClock()
    const state = sleeper(new Wake(clock), 100)
    await clock.advance(99)
    expect(state.isAwake).toBe(false)
    await clock.advance(1)
    expect(state.isAwake).toBe(true)
  })

  it('goes on when it is woken, and leaves no timer', async () => {
    const clock = new FakeClock()
    const wake = new Wake(clock)
    const state = sleeper(wake, 100)
    wake.wake()
    await settle()
    expect(state.isAwake).toBe(true)
    expect(clock.pendingTimers).toBe(0)
  })

  it('does not sleep when it was woken before, once', async () => {
    const clock = new FakeClock()
    const wake = new Wake(clock)
    wake.wake()
    wake.wake()
    await wake.sleep(100)
    const state = sleeper(wake, 100)
    await settle()
    expect(state.isAwake).toBe(false)
  })
})
