import type { ServiceTelemetry } from '#shared/l7'
import { type Service, type SpiffeId, type Workload, workloadIdentity } from '#shared/model'
import {
  type Counter,
  type Family,
  type Histogram,
  known,
  labelText,
  type Metrics,
  ObjectNumbers,
  PARTY_LABELS,
  partyValues,
  UNKNOWN,
} from '#shared/telemetry'
import { destinationOf, type ExchangeFacts, sourcePrincipal } from './facts.ts'
import { compileOverrides, type MetricChange, type RequestMetric } from './metric-overrides.ts'

/** Istio's, in its order. */
const LABELS: readonly string[] = [
  'reporter',
  ...PARTY_LABELS.map((name) => `source_${name}`),
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  ...PARTY_LABELS.map((name) => `destination_${name}`),
  'request_protocol',
  'response_code',
  'grpc_response_status',
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
  'response_code',
  'response_flags',
  'connection_security_policy',
]

/** Envoy's buckets, which Istio keeps for times and sizes alike. */
const BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
]

/** Ways between two workloads that are found without making their labels; behind it stand the families' own bounds. */
const MAX_REMEMBERED = 4096
/** Outcomes of one of them. */
const MAX_OUTCOMES = 256
/** Of a tag's value that comes from a request. */
const MAX_TAG_CHARS = 128

export type MetricsProfile = 'full' | 'lean'

/** Undefined = a Telemetry has switched it off. */
interface Series {
  readonly requests: Counter | undefined
  readonly durationMs: Histogram | undefined
  readonly requestBytes: Histogram | undefined
  readonly responseBytes: Histogram | undefined
  /** Of gRPC only. */
  readonly requestMessages: Counter | undefined
  readonly responseMessages: Counter | undefined
}

/** What all exchanges of one client with one endpoint of a service have in common. */
interface Way {
  readonly source: Workload | undefined
  readonly principal: SpiffeId | undefined
  readonly destination: Workload | undefined
  readonly service: Service | undefined
  readonly telemetry: ServiceTelemetry | undefined
  /** By status, or by all that tells one outcome from another. */
  readonly outcomes: Map<number | string, Series>
}

type Changes = ReadonlyMap<RequestMetric, MetricChange>

const NO_CHANGES: Changes = new Map()

/** Counts exchanges under Istio's names and labels; the labels of a series are written once. */
export class RequestMetrics {
  readonly #requests: Family<Counter>
  readonly #durationMs: Family<Histogram>
  readonly #requestBytes: Family<Histogram>
  readonly #responseBytes: Family<Histogram>
  readonly #requestMessages: Family<Counter>
  readonly #responseMessages: Family<Counter>
  readonly #labels: readonly string[]
  readonly #refuse: (telemetry: ServiceTelemetry, what: string) => void
  readonly #numbers = new ObjectNumbers()
  readonly #ways = new Map<string, Way>()
  readonly #changes = new WeakMap<ServiceTelemetry, Changes>()
  #last: Way | undefined

  /** @param refuse is told of parts of a Telemetry that are not applied, once for each record */
  constructor(metrics: Metrics, profile: MetricsProfile, refuse: (telemetry: ServiceTelemetry, what: string) => void) {
    this.#labels = profile === 'full' ? LABELS : LEAN_LABELS
    this.#refuse = refuse
    const labels = this.#labels
    this.#requests = metrics.counters('istio_requests', 'Requests that ended', labels)
    this.#durationMs = metrics.histograms(
      'istio_request_duration_milliseconds',
      'Time from a request to the end of its answer',
      labels,
      BUCKETS,
    )
    this.#requestBytes = metrics.histograms('istio_request_bytes', 'Sizes of request bodies', labels, BUCKETS)
    this.#responseBytes = metrics.histograms('istio_response_bytes', 'Sizes of answers’ bodies', labels, BUCKETS)
    this.#requestMessages = metrics.counters('istio_request_messages', 'gRPC messages from clients', labels)
    this.#responseMessages = metrics.counters('istio_response_messages', 'gRPC messages to clients', labels)
  }

  record(facts: ExchangeFacts, telemetry: ServiceTelemetry | undefined): void {
    const series = this.#seriesOf(this.#wayOf(facts, telemetry), facts)
    if (series.requests !== undefined) series.requests.value++
    series.durationMs?.observe(facts.durationMs)
    series.requestBytes?.observe(facts.exchange.requestBytes)
    series.responseBytes?.observe(facts.exchange.responseBytes)
    if (series.requestMessages !== undefined) series.requestMessages.value += facts.requestMessages
    if (series.responseMessages !== undefined) series.responseMessages.value += facts.responseMessages
  }

  #wayOf(facts: ExchangeFacts, telemetry: ServiceTelemetry | undefined): Way {
    const { source, service } = facts
    const [principal, destination] = [sourcePrincipal(facts), destinationOf(facts)]
    const last = this.#last
    if (
      last !== undefined &&
      last.source === source &&
      last.destination === destination &&
      last.service === service &&
      last.principal === principal &&
      last.telemetry === telemetry
    ) {
      return last
    }
    const n = this.#numbers
    const key = `${n.of(source)} ${n.of(destination)} ${n.of(service)} ${n.of(telemetry)} ${principal}`
    const found = this.#ways.get(key)
    const way = found ?? { source, principal, destination, service, telemetry, outcomes: new Map() }
    if (found === undefined) {
      if (this.#ways.size >= MAX_REMEMBERED) this.#ways.clear()
      this.#ways.set(key, way)
    }
    this.#last = way
    return way
  }

  #seriesOf(way: Way, facts: ExchangeFacts): Series {
    const changes = this.#changesOf(way.telemetry)
    const key = outcomeKey(facts, changes)
    const found = way.outcomes.get(key)
    if (found !== undefined) return found
    const labels = this.#labelsOf(way, facts)
    const text = (metric: RequestMetric): string | undefined => changedText(labels, changes.get(metric), facts)
    const of = <T>(family: Family<T>, metric: RequestMetric): T | undefined => {
      const labelled = text(metric)
      return labelled === undefined ? undefined : family.labelled(labelled)
    }
    const series: Series = {
      requests: of(this.#requests, 'REQUEST_COUNT'),
      durationMs: of(this.#durationMs, 'REQUEST_DURATION'),
      requestBytes: of(this.#requestBytes, 'REQUEST_SIZE'),
      responseBytes: of(this.#responseBytes, 'RESPONSE_SIZE'),
      requestMessages: facts.isGrpc ? of(this.#requestMessages, 'GRPC_REQUEST_MESSAGES') : undefined,
      responseMessages: facts.isGrpc ? of(this.#responseMessages, 'GRPC_RESPONSE_MESSAGES') : undefined,
    }
    if (way.outcomes.size >= MAX_OUTCOMES) way.outcomes.clear()
    way.outcomes.set(key, series)
    return series
  }

  #changesOf(telemetry: ServiceTelemetry | undefined): Changes {
    if (telemetry === undefined || telemetry.metrics.length === 0) return NO_CHANGES
    const known = this.#changes.get(telemetry)
    if (known !== undefined) return known
    const compiled = compileOverrides(telemetry, (what) => this.#refuse(telemetry, what))
    this.#changes.set(telemetry, compiled)
    return compiled
  }

  #labelsOf(way: Way, facts: ExchangeFacts): ReadonlyMap<string, string> {
    const { source, principal, destination, service } = way
    const values = [
      'waypoint',
      ...partyValues(source, principal),
      known(service?.hostname),
      known(service?.namespace),
      known(service?.name),
      ...partyValues(destination, destination === undefined ? undefined : workloadIdentity(destination)),
      facts.isGrpc ? 'grpc' : 'http',
      String(facts.status),
      facts.grpcStatus === undefined ? '' : String(facts.grpcStatus),
      facts.flags,
      principal === undefined ? UNKNOWN : 'mutual_tls',
    ]
    const all = new Map(LABELS.map((name, i) => [name, values[i] ?? UNKNOWN]))
    return new Map(this.#labels.map((name) => [name, all.get(name) ?? UNKNOWN]))
  }
}

function outcomeKey(facts: ExchangeFacts, changes: Changes): number | string {
  const { status, grpcStatus, flags, isGrpc } = facts
  if (changes.size === 0) return flags === '-' && !isGrpc ? status : `${status} ${flags} ${isGrpc} ${grpcStatus}`
  const parts: unknown[] = [status, grpcStatus, flags, isGrpc]
  for (const { tags } of changes.values()) for (const tag of tags.values()) parts.push(tag?.(facts))
  return JSON.stringify(parts)
}

/** Undefined = the metric is switched off. */
function changedText(
  labels: ReadonlyMap<string, string>,
  change: MetricChange | undefined,
  facts: ExchangeFacts,
): string | undefined {
  if (change?.isDisabled === true) return undefined
  const changed = new Map(labels)
  for (const [name, tag] of change?.tags ?? []) {
    if (tag === undefined) changed.delete(name)
    else changed.set(name, String(tag(facts) ?? UNKNOWN).slice(0, MAX_TAG_CHARS))
  }
  return labelText([...changed.keys()], [...changed.values()])
}
