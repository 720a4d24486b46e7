import type { Workload } from '#shared/model'
import { type Counter, type Family, type Histogram, known, type Metrics } from '#shared/telemetry'

/** A question that a pod asked. */
export interface DnsQuery {
  /** `a`, `aaaa`, `srv`, …: the type's name in lower case. */
  readonly type: string
  readonly protocol: 'udp' | 'tcp'
  readonly source: Workload | undefined
}

const LABELS = ['request_query_type', 'request_protocol', 'source_canonical_service', 'source_canonical_revision']

const UPSTREAM_SECONDS = [0.0005, 0.001, 0.01, 0.1, 1, 5]

/** Counters of the DNS proxy (hbone-and-ztunnel h.2, j). */
export class DnsMetrics {
  readonly #requests: Family<Counter>
  readonly #upstreamRequests: Family<Counter>
  readonly #upstreamFailures: Family<Counter>
  readonly #upstreamDuration: Family<Histogram>

  constructor(metrics: Metrics) {
    const family = (name: string, help: string): Family<Counter> => metrics.counters(name, help, LABELS)
    this.#requests = family('istio_dns_requests', 'Total number of DNS requests (unstable)')
    this.#upstreamRequests = family(
      'istio_dns_upstream_requests',
      'Total number of DNS requests forwarded to upstream (unstable)',
    )
    this.#upstreamFailures = family(
      'istio_dns_upstream_failures',
      'Total number of DNS requests forwarded to upstream that failed (unstable)',
    )
    this.#upstreamDuration = metrics.histograms(
      'istio_dns_upstream_request_duration_seconds',
      'Total time in seconds that upstream took to answer (unstable)',
      LABELS,
      UPSTREAM_SECONDS,
    )
  }

  asked(query: DnsQuery): void {
    this.#requests.with(...valuesOf(query)).value++
  }

  forwarded(query: DnsQuery): void {
    this.#upstreamRequests.with(...valuesOf(query)).value++
  }

  /** No answer of upstream, or one with an error code. */
  forwardingFailed(query: DnsQuery): void {
    this.#upstreamFailures.with(...valuesOf(query)).value++
  }

  /** Whatever the answer was. */
  upstreamAnswered(query: DnsQuery, seconds: number): void {
    this.#upstreamDuration.with(...valuesOf(query)).observe(seconds)
  }
}

function valuesOf({ type, protocol, source }: DnsQuery): readonly string[] {
  return [type, protocol, known(source?.canonicalName), known(source?.canonicalRevision)]
}
