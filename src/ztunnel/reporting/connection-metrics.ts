import type { Service, SpiffeId, Workload } from '#shared/model'
import type { ByteMeter } from '#shared/net'
import type { ConnectionFlag, Counter, Family, Gauge, Metrics, Reporter } from '#shared/telemetry'
import { UNKNOWN } from '#shared/telemetry'

/** Labels of the connection metrics, in the order in which Istio prints them (hbone-and-ztunnel h.2). */
const LABELS = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  'destination_workload',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
  'source_region',
  'source_zone',
  'destination_region',
  'destination_zone',
] as const

const FLAG_AT = LABELS.indexOf('response_flags')

/** What is known of one end when it is no workload of the mesh but said who it is in its baggage. */
export interface DeclaredParty {
  readonly clusterId: string | undefined
  readonly namespace: string | undefined
  readonly workloadName: string | undefined
  readonly canonicalName: string | undefined
  readonly canonicalRevision: string | undefined
  readonly region: string | undefined
  readonly zone: string | undefined
}

/** What a connection is counted under; known when its request has been built. */
export interface ConnectionLabels {
  readonly reporter: Reporter
  readonly source: Workload | DeclaredParty | undefined
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
  readonly #opened: Family<Counter>
  readonly #closed: Family<Counter>
  readonly #failed: Family<Counter>
  readonly #received: Family<Counter>
  readonly #sent: Family<Counter>
  readonly #sockets: Family<Gauge>
  readonly #live = new Set<LiveConnection>()
  readonly #series = new Map<string, Series>()
  readonly #numbers = new ObjectNumbers()

  constructor(metrics: Metrics) {
    const family = (name: string, help: string): Family<Counter> => metrics.counters(name, help, LABELS)
    this.#opened = family('istio_tcp_connections_opened', 'The total number of TCP connections opened')
    this.#closed = family('istio_tcp_connections_closed', 'The total number of TCP connections closed')
    this.#failed = family('istio_tcp_connections_failed', 'The total number of TCP connections that failed')
    this.#received = family('istio_tcp_received_bytes', 'Bytes from the client to the server, as requests')
    this.#sent = family('istio_tcp_sent_bytes', 'Bytes from the server to the client, as responses')
    this.#sockets = metrics.gauges('istio_tcp_sockets_open', 'The number of open connections', ['reporter'])
    metrics.onCollect(() => {
      for (const connection of this.#live) connection.count()
    })
  }

  opened(labels: ConnectionLabels): CountedConnection {
    const series = this.#seriesOf(labels)
    const sockets = this.#sockets.with(labels.reporter)
    series.opened.value++
    sockets.value++
    const connection: LiveConnection = new LiveConnection(series.received, series.sent, (flag) => {
      if (!this.#live.delete(connection)) return
      sockets.value--
      if (flag === '-') {
        series.closed ??= this.#closed.with(...labelValues(labels))
        series.closed.value++
        return
      }
      const values = labelValues(labels)
      values[FLAG_AT] = flag
      this.#closed.with(...values).value++
      this.#failed.with(...values).value++
    })
    this.#live.add(connection)
    return connection
  }

  /** One look-up for each connection instead of one for each counter. */
  #seriesOf(labels: ConnectionLabels): Series {
    const key = this.#keyOf(labels)
    const known = this.#series.get(key)
    if (known !== undefined) return known
    const values = labelValues(labels)
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

  /** Workloads and services are replaced when they change, so that their numbers say as much as all their labels. */
  #keyOf(labels: ConnectionLabels): string {
    const { reporter, source, sourcePrincipal, destination, destinationPrincipal, service, isMutualTls } = labels
    if (source !== undefined && !('uid' in source)) return labelValues(labels).join('\0')
    const numbers = this.#numbers
    const parties = `${numbers.of(source)} ${sourcePrincipal} ${numbers.of(destination)} ${destinationPrincipal}`
    return `${reporter} ${parties} ${numbers.of(service)} ${isMutualTls}`
  }
}

/** Tells objects apart by a number each; 0 is no object. */
class ObjectNumbers {
  readonly #numbers = new WeakMap<object, number>()
  #last = 0

  of(object: object | undefined): number {
    if (object === undefined) return 0
    const known = this.#numbers.get(object)
    if (known !== undefined) return known
    this.#numbers.set(object, ++this.#last)
    return this.#last
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

class LiveConnection implements CountedConnection {
  readonly #received: Counter
  readonly #sent: Counter
  readonly #end: (flag: ConnectionFlag) => void
  #meter: Readonly<ByteMeter> | undefined
  /** What has been added to the counters already. */
  #countedFromOpener = 0
  #countedToOpener = 0

  constructor(received: Counter, sent: Counter, end: (flag: ConnectionFlag) => void) {
    this.#received = received
    this.#sent = sent
    this.#end = end
  }

  follow(meter: Readonly<ByteMeter>): void {
    this.#meter = meter
  }

  closed(flag: ConnectionFlag): void {
    this.count()
    this.#end(flag)
  }

  /** Istio counts as `received` what the client sends, whoever reports. */
  count(): void {
    if (this.#meter === undefined) return
    this.#received.value += this.#meter.sentBytes - this.#countedFromOpener
    this.#sent.value += this.#meter.receivedBytes - this.#countedToOpener
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

/** Workload, canonical service and revision, namespace, principal, app, version, cluster. */
function partyValues(party: Workload | DeclaredParty | undefined, principal: SpiffeId | undefined): string[] {
  const name = known(party?.canonicalName)
  const revision = known(party?.canonicalRevision)
  // A party that only declared itself is called an app by its workload's name (hbone-and-ztunnel d.3).
  const app = party !== undefined && !('uid' in party) ? known(party.workloadName) : name
  return [
    known(party?.workloadName),
    name,
    revision,
    known(party?.namespace),
    known(principal),
    app,
    revision,
    known(party?.clusterId),
  ]
}

function placeOf(party: Workload | DeclaredParty | undefined): readonly [region: string, zone: string] {
  if (party === undefined) return [UNKNOWN, UNKNOWN]
  const { region, zone } = 'uid' in party ? party.locality : party
  return [known(region), known(zone)]
}

function known(value: string | undefined): string {
  return value === undefined || value === '' ? UNKNOWN : value
}
