import { type Workload, workloadIdentity } from '#shared/model'
import { type Counter, type Family, type Metrics, PARTY_LABELS, partyValues, type Reporter } from '#shared/telemetry'
import type { EarlyCause } from './early-cause.ts'

/** Counters of what happens to some connections only (hbone-and-ztunnel h.2). */
export class RareMetrics {
  readonly #early: Family<Counter>
  readonly #onDemandDns: Family<Counter>

  constructor(metrics: Metrics) {
    this.#early = metrics.counters(
      'ambit_early_denials',
      'Connections that ended before their request was built, which no other counter sees',
      ['reporter', 'reason'],
    )
    this.#onDemandDns = metrics.counters(
      'istio_on_demand_dns',
      'The total number of requests that used on-demand DNS (unstable)',
      [...PARTY_LABELS.map((name) => `source_${name}`), 'hostname'],
    )
  }

  earlyDenial(reporter: Reporter, cause: EarlyCause): void {
    this.#early.with(reporter, cause).value++
  }

  /** A connection whose destination had to be looked up by its host name. */
  onDemandDns(source: Workload, hostname: string): void {
    this.#onDemandDns.with(...partyValues(source, workloadIdentity(source)), hostname).value++
  }
}

/** Counters of the look at certificate revocation lists. */
export class CrlMetrics {
  readonly #rejections: Family<Counter>
  readonly #untracked: Family<Counter>

  constructor(metrics: Metrics) {
    this.#rejections = metrics.counters(
      'istio_crl_policy_rejections',
      'The total number of connections rejected because a certificate of the peer is revoked (unstable)',
      ['reporter'],
    )
    this.#untracked = metrics.counters(
      'istio_crl_untracked_connections',
      'The total number of connections whose peer no revocation list speaks of (unstable)',
      ['reporter'],
    )
  }

  rejected(reporter: Reporter): void {
    this.#rejections.with(reporter).value++
  }

  untracked(reporter: Reporter): void {
    this.#untracked.with(reporter).value++
  }
}
