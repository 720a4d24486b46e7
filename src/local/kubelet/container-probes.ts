import type { Clock } from '#shared/clock'
import type { ContainerPlan, ProbeCheck, ProbePlan } from '../pod-plan/index.ts'
import { ProbeWatch } from './probe-watch.ts'

export type ProbeKind = 'startup' | 'liveness' | 'readiness'

export interface ContainerProbesSettings {
  readonly probes: ContainerPlan['probes']
  readonly clock: Clock
  readonly ask: (check: ProbeCheck, signal: AbortSignal) => Promise<string | undefined>
  readonly changed: () => void
  /** One failure, for people. */
  readonly unhealthy: (kind: ProbeKind, reason: string) => void
  /** Failed as often as it may: the process shall end. Told once. */
  readonly exhausted: (kind: 'startup' | 'liveness', probe: ProbePlan) => void
}

/** The probes of one run of a container: startup first, and only then the others. */
export class ContainerProbes {
  readonly #settings: ContainerProbesSettings
  readonly #startup: ProbeWatch | undefined
  #liveness: ProbeWatch | undefined
  #readiness: ProbeWatch | undefined

  constructor(settings: ContainerProbesSettings) {
    this.#settings = settings
    const { startup } = settings.probes
    if (startup === undefined) this.#watchOthers()
    else this.#startup = this.#watch('startup', startup, 'unknown', () => this.#startupChanged(startup))
  }

  get isStarted(): boolean {
    return this.#settings.probes.startup === undefined || this.#startup?.result === 'success'
  }

  get isReady(): boolean {
    if (!this.isStarted) return false
    return this.#settings.probes.readiness === undefined || this.#readiness?.result === 'success'
  }

  /** Why it is not ready; empty when it is. */
  get reason(): string {
    return this.isStarted ? (this.#readiness?.reason ?? '') : (this.#startup?.reason ?? '')
  }

  stop(): void {
    for (const watch of [this.#startup, this.#liveness, this.#readiness]) watch?.stop()
  }

  #watchOthers(): void {
    const { liveness, readiness } = this.#settings.probes
    if (readiness !== undefined) {
      this.#readiness = this.#watch('readiness', readiness, 'failure', () => this.#settings.changed())
    }
    if (liveness === undefined) return
    const watch = this.#watch('liveness', liveness, 'success', () => {
      if (watch.result === 'failure') this.#exhaust('liveness', liveness)
    })
    this.#liveness = watch
  }

  #startupChanged(plan: ProbePlan): void {
    this.#startup?.stop()
    if (!this.isStarted) this.#exhaust('startup', plan)
    else this.#watchOthers()
    this.#settings.changed()
  }

  #exhaust(kind: 'startup' | 'liveness', plan: ProbePlan): void {
    this.stop()
    this.#settings.exhausted(kind, plan)
  }

  #watch(kind: ProbeKind, plan: ProbePlan, first: 'unknown' | 'success' | 'failure', changed: () => void): ProbeWatch {
    const { clock, ask, unhealthy } = this.#settings
    return new ProbeWatch({
      plan,
      clock,
      first,
      // Only liveness has nothing to wait for.
      isEager: kind !== 'liveness',
      ask: (signal) => ask(plan.check, signal),
      changed,
      failed: (reason) => unhealthy(kind, reason),
    })
  }
}
