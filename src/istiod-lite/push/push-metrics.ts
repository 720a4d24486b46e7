import type { Clock } from '#shared/clock'
import type { Metrics } from '#shared/telemetry'
import type { AdsServerObserver, ConnectedClient, PushMark } from '#shared/xds'
import type { ClientLog } from './client-log.ts'
import type { Changes } from './debounce.ts'

/** Bounds in seconds of what a push may take: istiod's, and below them what is usual here. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 10, 20, 30]
const BYTES = [1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000]
const MAX_LABEL_CHARACTERS = 64

/** Names as istiod's (istio-control-plane f). */
export interface PushMetrics extends AdsServerObserver {
  /** One burst of changes has ended, and clients are told. */
  pushed(mark: PushMark, changes: Changes): void
}

/** Counts what happens on streams. Must be told of an answer before `log`, and of a response after it. */
export function registerPushMetrics(metrics: Metrics, clock: Clock, log: ClientLog): PushMetrics {
  const clients = metrics.gauges('pilot_xds', 'Clients that are connected', ['version'])
  const pushes = metrics.plainCounters('pilot_xds_pushes', 'Responses sent', ['type'])
  const resources = metrics.counters('ambit_xds_resources', 'Resources sent, and names told to be gone', [
    'type',
    'change',
  ])
  const rejects = metrics.plainCounters('pilot_total_xds_rejects', 'Responses that a client took in part only', [
    'type',
  ])
  const failures = metrics.plainCounters(
    'pilot_total_xds_internal_errors',
    'Streams that were ended by a fault of ours: bugs',
    [],
  )
  failures.with()
  const sizes = metrics.histograms('pilot_xds_config_size_bytes', 'Size of a response', ['type'], BYTES)
  const answers = metrics.histograms('pilot_xds_push_time', 'Seconds from a response to its answer', ['type'], SECONDS)
  const bursts = metrics.histograms(
    'pilot_debounce_time',
    'Seconds that the first change of a burst waited',
    [],
    SECONDS,
  )
  const queues = metrics.histograms(
    'pilot_proxy_queue_time',
    'Seconds from the end of a burst until a client was sent it',
    [],
    SECONDS,
  )
  const convergences = metrics.histograms(
    'pilot_proxy_convergence_time',
    'Seconds from a change until a client has acknowledged it',
    [],
    SECONDS,
  )
  const triggers = metrics.plainCounters('pilot_push_triggers', 'Pushes in which a type has changes', ['type'])

  const answered = (client: ConnectedClient, typeUrl: string): void => {
    const progress = log.progress(client.id, typeUrl)
    if (progress === undefined) return
    answers.with(shortType(typeUrl)).observe((clock.nowMs() - progress.sentAtMs) / 1000)
    const { since } = progress
    if (since !== undefined && since.push > 0)
      convergences.with().observe((clock.monotonicMs() - since.changedAtMs) / 1000)
  }
  return {
    connected: (client) => void clients.with(versionOf(client)).value++,
    disconnected: (client) => void clients.with(versionOf(client)).value--,
    sent(_client, { typeUrl, changed, removed, bytes, since }) {
      const type = shortType(typeUrl)
      pushes.with(type).value++
      resources.with(type, 'set').value += changed.length
      resources.with(type, 'removed').value += removed.length
      sizes.with(type).observe(bytes)
      if (since !== undefined && since.push > 0) queues.with().observe((clock.monotonicMs() - since.toldAtMs) / 1000)
    },
    acknowledged: answered,
    rejected(client, typeUrl) {
      answered(client, typeUrl)
      rejects.with(shortType(typeUrl)).value++
    },
    failed: () => void failures.with().value++,
    pushed({ changedAtMs, toldAtMs }, changes) {
      bursts.with().observe((toldAtMs - changedAtMs) / 1000)
      for (const typeUrl of changes.keys()) triggers.with(shortType(typeUrl)).value++
    },
  }
}

/** `istio.workload.Address` of `type.googleapis.com/istio.workload.Address`. */
export function shortType(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1)
}

function versionOf({ node }: ConnectedClient): string {
  const { ISTIO_VERSION: version } = node.metadata
  return typeof version === 'string' ? version.slice(0, MAX_LABEL_CHARACTERS) : ''
}
