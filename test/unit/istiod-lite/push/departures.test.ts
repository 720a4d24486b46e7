import { describe, expect, it } from 'vitest'
import { Departures } from '../../../../src/istiod-lite/push/departures.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('clients that left', () => {
  it('are missed as long as they may come back, when they lack the push', () => {
    const clock = new FakeClock()
    const departures = new Departures(clock)
    departures.left('a', 4)
    departures.left('b', 5)
    expect(departures.without(5)).toEqual(['a'])
    departures.returned('a')
    expect(departures.without(5)).toEqual([])
    expect(departures.without(6)).toEqual(['b'])
    clock.advance(20_001)
    expect(departures.without(6)).toEqual([])
  })

  it('are not missed once their pod is gone', () => {
    const departures = new Departures(new FakeClock())
    const id = (name: string): string => `ztunnel~10.0.0.1~${name}.istio-system~istio-system.svc.cluster.local`
    departures.left(id('ztunnel-a'), 4)
    departures.left(id('ztunnel-b'), 4)
    departures.left('of another form', 4)
    expect(departures.podGone('istio-system', 'ztunnel-a')).toBe(true)
    expect(departures.podGone('shop', 'ztunnel-b')).toBe(false)
    expect(departures.without(5)).toEqual([id('ztunnel-b'), 'of another form'])
  })

  it('are at most a thousand', () => {
    const departures = new Departures(new FakeClock())
    for (let i = 0; i < 1_500; i++) departures.left(`n${i}`, 0)
    expect(departures.without(1)).toHaveLength(1_000)
    expect(departures.without(1)[0]).toBe('n500')
  })
})
