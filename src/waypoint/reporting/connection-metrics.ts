import { Roster, type Seated } from '#shared/lifecycle'
import { workloadIdentity } from '#shared/model'
import type { ByteMeter } from '#shared/net'
import { type Counter, type Family, known, type Metrics, PARTY_LABELS, partyValues, UNKNOWN } from '#shared/telemetry'
import type { ConnectionFacts } from './facts.ts'
import type { MetricsProfile } from './request-metrics.ts'

const LABELS: readonly string[] = [
  'reporter',
  ...PARTY_LABELS.map((name) => `source_${name}`),
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  ...PARTY_LABELS.map((name) => `destination_${name}`),
  'request_protocol',
  'response_flags',
  'connection_security_policy',
]

const LEAN_LABELS: readonly string[] = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'destination_service',
  'destination_workload',
  'destination_workload_namespace',
  'response_flags',
  'connection_security_policy',
]

const FLAG_AT = LABELS.indexOf('response_flags')

/** Counters of connections that are not HTTP; bytes are added at each scrape and at the end, not for each piece. */
export class ConnectionMetrics {
  readonly #opened: Family<Counter>
  readonly #closed: Family<Counter>
  readonly #received: Family<Counter>
  readonly #sent: Family<Counter>
  readonly #live = new Roster<CountedConnection>()
  readonly #used: readonly number[]

  constructor(metrics: Metrics, profile: MetricsProfile) {
    const names = profile === 'full' ? LABELS : LEAN_LABELS
    this.#used = names.map((name) => LABELS.indexOf(name))
    this.#opened = metrics.counters('istio_tcp_connections_opened', 'Connections opened', names)
    this.#closed = metrics.counters('istio_tcp_connections_closed', 'Connections closed', names)
    this.#received = metrics.counters('istio_tcp_received_bytes', 'Bytes from clients', names)
    this.#sent = metrics.counters('istio_tcp_sent_bytes', 'Bytes to clients', names)
    metrics.onCollect(() => {
      for (const connection of this.#live.members()) connection.count()
    })
  }

  /** Istio counts as `received` what the client sends. */
  opened(facts: ConnectionFacts, meter: Readonly<ByteMeter>): CountedConnection {
    const values = this.#valuesOf(facts, '-')
    this.#opened.with(...values).value++
    const connection: CountedConnection = new CountedConnection(
      meter,
      this.#received.with(...values),
      this.#sent.with(...values),
      (flag) => {
        this.#live.remove(connection)
        this.#closed.with(...this.#valuesOf(facts, flag)).value++
      },
    )
    this.#live.add(connection)
    return connection
  }

  #valuesOf({ source, principal, service, picked }: ConnectionFacts, flag: string): readonly string[] {
    const destination = picked?.endpoint.workload
    const all = [
      'waypoint',
      ...partyValues(source, principal),
      known(service?.hostname),
      known(service?.namespace),
      known(service?.name),
      ...partyValues(destination, destination === undefined ? undefined : workloadIdentity(destination)),
      'tcp',
      '-',
      principal === undefined ? UNKNOWN : 'mutual_tls',
    ]
    all[FLAG_AT] = flag
    return this.#used.map((at) => all[at] ?? UNKNOWN)
  }
}

export class CountedConnection implements Seated {
  seat = -1
  readonly #meter: Readonly<ByteMeter>
  readonly #received: Counter
  readonly #sent: Counter
  readonly #onClosed: (flag: string) => void
  #countedReceived = 0
  #countedSent = 0
  #isClosed = false

  constructor(meter: Readonly<ByteMeter>, received: Counter, sent: Counter, onClosed: (flag: string) => void) {
    this.#meter = meter
    this.#received = received
    this.#sent = sent
    this.#onClosed = onClosed
  }

  count(): void {
    this.#received.value += this.#meter.sentBytes - this.#countedReceived
    this.#sent.value += this.#meter.receivedBytes - this.#countedSent
    this.#countedReceived = this.#meter.sentBytes
    this.#countedSent = this.#meter.receivedBytes
  }

  /**
   * @param flag Envoy's; `-` = a success
   * @returns false when it was closed before
   */
  closed(flag: string): boolean {
    if (this.#isClosed) return false
    this.#isClosed = true
    this.count()
    this.#onClosed(flag)
    return true
  }
}
