import type { Clock } from '#shared/clock'
import type { Counter, Metrics } from '#shared/telemetry'
import type { AdsClientObserver } from '#shared/xds'

/** `istio_build`: what runs, as a label. */
export function registerBuild(metrics: Metrics, tag: string): void {
  metrics.gauges('istio_build', 'Istio component build info', ['component', 'tag']).with('ztunnel', tag).value = 1
}

/**
 * What of Istio's `tokio_*` has a counterpart in Node: how many loops carry connections, and how long each was busy.
 * Queue depths, tasks and park counts have none and are left out.
 *
 * @param worker differs for each process whose page is added to the same one
 */
export function registerRuntime(metrics: Metrics, worker: string): void {
  metrics.gauge('tokio_num_workers', 'Event loops that carry connections').value = 1
  const busy = metrics
    .counters('tokio_worker_total_busy_duration_seconds', 'Time that an event loop did not wait, seconds', ['worker'])
    .with(worker)
  metrics.onCollect(() => {
    busy.value = performance.eventLoopUtilization().active / 1000
  })
}

/** Numbers of the talk with the control plane. */
export function xdsObserver(metrics: Metrics, clock: Clock): AdsClientObserver {
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

/** Errors that nobody handled: each is a bug. */
export function unhandledErrors(metrics: Metrics): Counter {
  return metrics.counter('ambit_unhandled_errors', 'Errors that nobody handled; each is a bug, see the log')
}
