import type { Clock } from '#shared/clock'
import type { Metrics } from '#shared/telemetry'
import type { AdsClientObserver } from './ads-client.ts'

/** Numbers of the talk with the control plane. */
export function adsClientMetrics(metrics: Metrics, clock: Clock): AdsClientObserver {
  const ends = metrics.counters(
    'istio_xds_connection_terminations',
    'The total number of completed connections to xds server (unstable)',
    ['reason'],
  )
  const messages = metrics.counters('istio_xds_message', 'Total number of messages received (unstable)', ['url'])
  const bytes = metrics.counters('istio_xds_message_bytes', 'Total number of bytes received (unstable)', ['url'])
  const connected = metrics.gauge('ambit_xds_connected', '1 while a control plane answers, else 0')
  const apart = metrics.gauge(
    'ambit_xds_last_contact_seconds',
    'Seconds since a control plane answered last; 0 while one does',
  )
  let lastContactMs = clock.monotonicMs()
  metrics.onCollect(() => {
    apart.value = connected.value === 1 ? 0 : (clock.monotonicMs() - lastContactMs) / 1000
  })
  return {
    connected: () => {
      connected.value = 1
    },
    responseReceived: (typeUrl, size) => {
      messages.with(typeUrl).value++
      bytes.with(typeUrl).value += size
    },
    connectionEnded: (reason) => {
      ends.with(reason).value++
      if (connected.value === 1) lastContactMs = clock.monotonicMs()
      connected.value = 0
    },
  }
}
