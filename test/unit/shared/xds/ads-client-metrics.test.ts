import { describe, expect, it } from 'vitest'
import { Metrics } from '#shared/telemetry'
import { adsClientMetrics } from '#shared/xds'
import { FakeClock } from '../../../support/fake-clock.ts'

describe('the numbers of the control plane', () => {
  it('say whether one answers, and for how long none has', async () => {
    const clock = new FakeClock()
    const metrics = new Metrics()
    const observer = adsClientMetrics(metrics, clock)
    const numbers = (): string[] => metrics.print().match(/^ambit_xds_\S+ .*$/gm) ?? []
    await clock.advance(2_000)
    expect(numbers()).toEqual(['ambit_xds_connected 0', 'ambit_xds_last_contact_seconds 2'])
    observer.connected?.()
    await clock.advance(60_000)
    expect(numbers()).toEqual(['ambit_xds_connected 1', 'ambit_xds_last_contact_seconds 0'])
    observer.connectionEnded?.('Reconnect')
    await clock.advance(3_000)
    observer.connectionEnded?.('ConnectionError')
    await clock.advance(4_000)
    expect(numbers()).toEqual(['ambit_xds_connected 0', 'ambit_xds_last_contact_seconds 7'])
    observer.connected?.()
    expect(numbers()).toEqual(['ambit_xds_connected 1', 'ambit_xds_last_contact_seconds 0'])
  })
})
