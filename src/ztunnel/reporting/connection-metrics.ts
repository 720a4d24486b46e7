import { Roster, type Seated } from '#shared/lifecycle'
import type { Service, SpiffeId, Workload } from '#shared/model'
import type { ByteMeter } from '#shared/net'
import {
  type ConnectionFlag,
  type Counter,
  type Family,
  type Gauge,
  known,
  type Metrics,
  ObjectNumbers,
  PARTY_LABELS,
  type Party,
  partyValues,
  placeOf,
  type Reporter,
  UNKNOWN,
} from '#shared/telemetry'
import { RareMetrics } from './rare-metrics.ts'

/** Labels of the connection metrics, in the order in which Istio prints them (hbone-and-ztunnel h.2). */
const LABELS = [
  'reporter',
  ...PARTY_LABELS.map((name) => `source_${name}`),
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  ...PARTY_LABELS.map((name) => `destination_${name}`),
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
]

/** What most dashboards and alerts ask for: who, to whom, how it went. One series a pair of workloads and service. */
const LEAN_LABELS = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'destination_service',
  'destination_workload',
  'destination_workload_namespace',
  'response_flags',
  'connection_security_policy',
]

/** `full` = every label of Istio's; `lean` = fewer than ten, for meshes where series are dear (`AMBIT_METRICS`). */
export type MetricsProfile = 'full' | 'lean'

const FLAG_AT = LABELS.indexOf('response_flags')

/** What a connection is counted under; known when its request has been built. */
export interface ConnectionLabels {
  readonly reporter: Reporter
  readonly source: Party
  /** Proven by mTLS. */
  readonly sourcePrincipal: SpiffeId | undefined
  /** The next hop. */
  readonly destination: Workload | undefined
  /** The next hop's identity, from xDS. */
  readonly destinationPrincipal: SpiffeId | undefined
  readonly service: Service | undefined
  readonly isMutualTls: boolean
}

/** A connection that has been counted as opened. */
export interface CountedConnection {
  /** Where its bytes are counted; read at each scrape and at the end. */
  follow(meter: Readonly<ByteMeter>): void
  /** Once. `-` is a success; any other flag counts as a failure too. */
  closed(flag: ConnectionFlag): void
}

/** The counters of connections. Their series are looked up when a connection opens and closes, not for each byte. */
export class ConnectionMetrics {
  /** Of connections that are not opened, or not at once. */
  readonly rare: RareMetrics
  readonly #opened: Family<Counter>
  readonly #closed: Family<Counter>
  readonly #failed: Family<Counter>
  readonly #received: Family<Counter>
  readonly #sent: Family<Counter>
  readonly #sockets: Family<Gauge>
  readonly #live = new Roster<LiveConnection>()
  readonly #series = new Map<string, Series>()
  readonly #numbers = new ObjectNumbers()
  #last: { readonly labels: ConnectionLabels; readonly series: Series } | undefined
  /** Places in `LABELS` of those that are used. */
  readonly #used: readonly number[]

  constructor(metrics: Metrics, profile: MetricsProfile = 'full') {
    const names = profile === 'full' ? LABELS : LEAN_LABELS
    this.#used = names.map((name) => LABELS.indexOf(name))
    const family = (name: string, help: string): Family<Counter> => metrics.counters(name, help, names)
    this.#opened = family('istio_tcp_connections_opened', 'The total number of TCP connections opened')
    this.#closed = family('istio_tcp_connections_closed', 'The total number of TCP connections closed')
    this.#failed = family('istio_tcp_connections_failed', 'The total number of TCP connections that failed')
    this.#received = family('istio_tcp_received_bytes', 'Bytes from the client to the server, as requests')
    this.#sent = family('istio_tcp_sent_bytes', 'Bytes from the server to the client, as responses')
    this.#sockets = metrics.gauges('istio_tcp_sockets_open', 'The number of open connections', ['reporter'])
    this.rare = new RareMetrics(metrics)
    metrics.onCollect(() => {
      for (const connection of this.#live.members()) connection.count()
    })
  }

  opened(labels: ConnectionLabels): CountedConnection {
    const series = this.#seriesOf(labels)
    series.opened.value++
    this.#sockets.with(labels.reporter).value++
    const connection = new LiveConnection(series, labels, this.#closeOnce)
    this.#live.add(connection)
    return connection
  }

  /** One function for all connections. */
  readonly #closeOnce = (connection: LiveConnection, flag: ConnectionFlag): void => {
    if (!this.#live.remove(connection)) return
    const { series, labels } = connection
    this.#sockets.with(labels.reporter).value--
    if (flag === '-') {
      series.closed ??= this.#closed.with(...this.#valuesOf(labels, '-'))
      series.closed.value++
      return
    }
    const values = this.#valuesOf(labels, flag)
    this.#closed.with(...values).value++
    this.#failed.with(...values).value++
  }

  /** One look-up for each connection instead of one for each counter; none where the last one was of the same kind. */
  #seriesOf(labels: ConnectionLabels): Series {
    const last = this.#last
    if (last !== undefined && isAlike(labels, last.labels)) return last.series
    const series = this.#lookUp(labels)
    this.#last = { labels, series }
    return series
  }

  #lookUp(labels: ConnectionLabels): Series {
    const key = this.#keyOf(labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const values = this.#valuesOf(labels, '-')
    const series: Series = {
      opened: this.#opened.with(...values),
      received: this.#received.with(...values),
      sent: this.#sent.with(...values),
      closed: undefined,
    }
    // The families bound the series themselves; this is only a way to find them sooner.
    if (this.#series.size >= MAX_REMEMBERED) this.#series.clear()
    this.#series.set(key, series)
    return series
  }

  #valuesOf(labels: ConnectionLabels, flag: ConnectionFlag): readonly string[] {
    const all = labelValues(labels)
    all[FLAG_AT] = flag
    return this.#used.map((at) => all[at] ?? UNKNOWN)
  }

  #keyOf(labels: ConnectionLabels): string {
    const { reporter, source, sourcePrincipal, destination, destinationPrincipal, service, isMutualTls } = labels
    if (source !== undefined && !('uid' in source)) return labelValues(labels).join('\0')
    const numbers = this.#numbers
    const parties = `${numbers.of(source)} ${sourcePrincipal} ${numbers.of(destination)} ${destinationPrincipal}`
    return `${reporter} ${parties} ${numbers.of(service)} ${isMutualTls}`
  }
}

/** The counters of one set of labels. `closed` comes with the first success, as no series exists before its first use. */
interface Series {
  readonly opened: Counter
  readonly received: Counter
  readonly sent: Counter
  closed: Counter | undefined
}

const MAX_REMEMBERED = 4096

/** Cheap, and never true of different series: workloads and services are replaced when they change. */
function isAlike(a: ConnectionLabels, b: ConnectionLabels): boolean {
  return (
    a.source === b.source &&
    a.destination === b.destination &&
    a.service === b.service &&
    a.reporter === b.reporter &&
    a.sourcePrincipal === b.sourcePrincipal &&
    a.destinationPrincipal === b.destinationPrincipal &&
    a.isMutualTls === b.isMutualTls
  )
}

class LiveConnection implements CountedConnection, Seated {
  seat = -1
  readonly series: Series
  readonly labels: ConnectionLabels
  readonly #close: (connection: LiveConnection, flag: ConnectionFlag) => void
  #meter: Readonly<ByteMeter> | undefined
  /** What has been added to the counters already. */
  #countedFromOpener = 0
  #countedToOpener = 0

  constructor(
    series: Series,
    labels: ConnectionLabels,
    close: (connection: LiveConnection, flag: ConnectionFlag) => void,
  ) {
    this.series = series
    this.labels = labels
    this.#close = close
  }

  follow(meter: Readonly<ByteMeter>): void {
    this.#meter = meter
  }

  closed(flag: ConnectionFlag): void {
    this.count()
    this.#close(this, flag)
  }

  /** Istio counts as `received` what the client sends, whoever reports. */
  count(): void {
    if (this.#meter === undefined) return
    this.series.received.value += this.#meter.sentBytes - this.#countedFromOpener
    this.series.sent.value += this.#meter.receivedBytes - this.#countedToOpener
    this.#countedFromOpener = this.#meter.sentBytes
    this.#countedToOpener = this.#meter.receivedBytes
  }
}

function labelValues({ reporter, source, service, destination, ...rest }: ConnectionLabels): string[] {
  const [sourceRegion, sourceZone] = placeOf(source)
  const [destinationRegion, destinationZone] = placeOf(destination)
  return [
    reporter,
    ...partyValues(source, rest.sourcePrincipal),
    known(service?.hostname),
    known(service?.namespace),
    known(service?.name),
    ...partyValues(destination, rest.destinationPrincipal),
    'tcp',
    '-',
    rest.isMutualTls ? 'mutual_tls' : UNKNOWN,
    sourceRegion,
    sourceZone,
    destinationRegion,
    destinationZone,
  ]
}
