import type { Clock } from '#shared/clock'
import type { ConnectionFacts, DryRunVerdicts } from '#shared/policy'
import type { Counter, Family, Metrics } from '#shared/telemetry'
import type { DeniedBy } from '../connections/index.ts'

/** A refused connection, as the dump shows it. */
export interface Denial {
  readonly atMs: number
  /** The destination, by uid. */
  readonly workload: string
  readonly facts: ConnectionFacts
  readonly reason: string
  /** Undefined when there were ALLOW policies and none matched. */
  readonly deniedBy: DeniedBy | undefined
  /** Whether it was refused at its start, or ended by a change. */
  readonly when: 'start' | 'change'
}

/** The newest denials that are kept for the dump. */
const MAX_DENIALS = 100

/** What `policy` is called when no single one is meant. */
const NO_POLICY = 'none'

/** Of those that several processes keep, as many as one would. */
export function newestDenials(denials: readonly Denial[]): readonly Denial[] {
  return denials.toSorted((a, b) => a.atMs - b.atMs).slice(-MAX_DENIALS)
}

/** Keeps count of what policies said, and the newest denials with their reasons. */
export class Verdicts {
  readonly #clock: Clock
  readonly #denials: Family<Counter>
  readonly #dryRun: Family<Counter>
  readonly #recent: Denial[] = []

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock
    this.#denials = metrics.counters(
      'ambit_policy_denials',
      'Connections that policy refused or ended; policy="none" when ALLOW policies exist and none matched',
      ['policy'],
    )
    this.#dryRun = metrics.counters(
      'ambit_policy_dry_run_verdicts',
      'What dry-run policies would have said of new connections; none of them took effect',
      ['policy', 'verdict'],
    )
  }

  /** Newest last. */
  get recent(): readonly Denial[] {
    return this.#recent
  }

  denied(denial: Omit<Denial, 'atMs'>): void {
    this.#denials.with(denial.deniedBy?.policy ?? NO_POLICY).value++
    if (this.#recent.length >= MAX_DENIALS) this.#recent.shift()
    this.#recent.push({ atMs: this.#clock.nowMs(), ...denial })
  }

  dryRun({ denied, allowed }: DryRunVerdicts): void {
    if (denied !== undefined) this.#dryRun.with(denied.policy, 'deny').value++
    if (allowed === 'no-match') this.#dryRun.with(NO_POLICY, 'no-match').value++
    else if (allowed !== undefined) this.#dryRun.with(allowed.policy, 'allow').value++
  }
}
