import { describe, expect, it } from 'vitest'
import { Keepalive } from '../../../../src/shared/http2/keepalive.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

function make(intervalMs = 10_000): { clock: FakeClock; keepalive: Keepalive; told: string[] } {
  const clock = new FakeClock()
  const told: string[] = []
  const keepalive = new Keepalive(
    clock,
    intervalMs,
    20_000,
    () => told.push('ping'),
    () => told.push('dead'),
  )
  return { clock, keepalive, told }
}

describe('keepalive', () => {
  it('pings once per interval as long as answers come', async () => {
    const { clock, keepalive, told } = make()
    keepalive.start()
    for (let i = 0; i < 3; i++) {
      await clock.advance(10_000)
      keepalive.onAck()
    }
    expect(told).toEqual(['ping', 'ping', 'ping'])
  })

  it('takes a peer for dead that does not answer in time', async () => {
    const { clock, keepalive, told } = make()
    keepalive.start()
    await clock.advance(29_999)
    expect(told).toEqual(['ping'])
    await clock.advance(1)
    expect(told).toEqual(['ping', 'dead'])
  })

  it('leaves no timer behind when it is stopped, and none at all without an interval', () => {
    const { clock, keepalive } = make()
    keepalive.start()
    keepalive.stop()
    make(0).keepalive.start()
    expect(clock.pendingTimers).toBe(0)
  })
})
