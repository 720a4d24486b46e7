import type { Clock } from '#shared/clock'
import type { Metrics } from '#shared/telemetry'
import type { AdsServerObserver, ConnectedClient } from '#shared/xds'
import type { ClientLog } from './client-log.ts'

/** Bounds in seconds of what a push may take (istiod's). */
const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30]
const BYTES = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000]

/** Names as istiod's (istio-control-plane f). */
export interface PushMetrics extends AdsServerObserver {
  /** One burst of changes has ended after so long. */
  debounced(waitedMs: number, changes: ReadonlyMap<string, readonly string[]>): void
}

/** Counts what happens on streams. Must be told after `log`, which knows when a response was sent. */
export function registerPushMetrics(metrics: Metrics, clock: Clock, log: ClientLog): PushMetrics {
  const clients = metrics.gauge('pilot_xds', 'Clients that are connected')
  const pushes = metrics.counters('pilot_xds_pushes', 'Responses sent', ['type'])
  const resources = metrics.counters('ambit_xds_resources', 'Resources sent, and names told to be gone', [
    'type',
    'change',
  ])
  const rejects = metrics.counters('pilot_total_xds_rejects', 'Responses that a client took in part only', ['type'])
  const sizes = metrics.histograms('pilot_xds_config_size_bytes', 'Size of a response', ['type'], BYTES)
  const answers = metrics.histograms('pilot_xds_push_time', 'Seconds from a response to its answer', ['type'], SECONDS)
  const bursts = metrics.histograms(
    'pilot_debounce_time',
    'Seconds that the first change of a burst waited',
    [],
    SECONDS,
  )
  const triggers = metrics.counters('pilot_push_triggers', 'Resources that changed', ['type'])

  const answered = (client: ConnectedClient, typeUrl: string): void => {
    const sentAtMs = log.progress(client.id, typeUrl)?.sentAtMs
    if (sentAtMs !== undefined) answers.with(shortType(typeUrl)).observe((clock.nowMs() - sentAtMs) / 1000)
  }
  return {
    connected: () => void clients.value++,
    disconnected: () => void clients.value--,
    sent(_client, typeUrl, _nonce, delta, bytes) {
      const type = shortType(typeUrl)
      pushes.with(type).value++
      resources.with(type, 'set').value += delta.changed.length
      resources.with(type, 'removed').value += delta.removed.length
      sizes.with(type).observe(bytes)
    },
    acknowledged: answered,
    rejected(client, typeUrl) {
      answered(client, typeUrl)
      rejects.with(shortType(typeUrl)).value++
    },
    debounced(waitedMs, changes) {
      bursts.with().observe(waitedMs / 1000)
      for (const [typeUrl, names] of changes) triggers.with(shortType(typeUrl)).value += names.length
    },
  }
}

/** `istio.workload.Address` of `type.googleapis.com/istio.workload.Address`. */
export function shortType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
}
