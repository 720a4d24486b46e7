import { type Clock, sleep } from '#shared/clock'
import type { ProcessEnd } from '../host/index.ts'
import type { ContainerPlan } from '../pod-plan/index.ts'
import { runHook } from './container-hook.ts'
import { ContainerProbes, type ProbeKind } from './container-probes.ts'
import type { SpawnedProcess } from './container-process.ts'
import { Grace } from './grace.ts'
import type { PodEvent } from './pod-event.ts'
import { askOnce, type ProbeTarget } from './probe.ts'

export interface LiveRunSettings {
  readonly plan: ContainerPlan
  readonly process: SpawnedProcess
  readonly target: ProbeTarget
  readonly clock: Clock
  /** When a probe or a hook ends it, unless the probe says another. */
  readonly graceMs: number
  readonly changed: () => void
  readonly tell: (event: PodEvent) => void
}

/** What a `preStop` that took all of the grace leaves between SIGTERM and SIGKILL (Kubernetes). */
const LAST_GRACE_MS = 2_000
/** Between looks whether the process has joined its namespaces, which takes a few milliseconds. */
const JOIN_PAUSE_MS = 10
/** Between SIGKILL and giving up on the exit; the kernel does not take that long. */
const KILL_WAIT_MS = 5_000

/** One run of a container's process, from its `postStart` hook over its probes to its end. */
export class LiveRun {
  /** Never rejects. */
  readonly ended: Promise<ProcessEnd>
  readonly #settings: LiveRunSettings
  readonly #over = new AbortController()
  #probes: ContainerProbes | undefined
  #killing: { readonly grace: Grace; readonly done: Promise<void> } | undefined
  #giveUp: () => void = () => {}

  constructor(settings: LiveRunSettings) {
    this.#settings = settings
    const gaveUp = new Promise<ProcessEnd>((resolve) => {
      this.#giveUp = () => resolve({ kind: 'killed', signal: 'SIGKILL' })
    })
    this.ended = Promise.race([settings.process.ended, gaveUp]).then((end) => {
      this.#over.abort()
      this.#probes?.stop()
      return end
    })
    void this.#begin()
  }

  get pid(): number | undefined {
    return this.#settings.process.pid
  }

  /** Its `postStart` hook and its startup probe are done. */
  get isStarted(): boolean {
    return this.#probes?.isStarted === true
  }

  get isReady(): boolean {
    return this.#killing === undefined && this.#probes?.isReady === true
  }

  /** Why it is not ready; empty when it is. */
  get reason(): string {
    if (this.#killing !== undefined) return 'is being stopped'
    return this.#probes === undefined ? 'its postStart hook has not ended' : this.#probes.reason
  }

  /**
   * `preStop`, SIGTERM, and SIGKILL when the grace is over; resolves when the process is gone. While that goes on, a
   * second call only shortens it.
   * @param why told as an event
   */
  kill(grace: Grace, why: string): Promise<void> {
    if (this.#over.signal.aborted) return Promise.resolve()
    if (this.#killing === undefined) {
      this.#settings.tell({ type: 'Normal', reason: 'Killing', message: why })
      this.#killing = { grace, done: this.#endInTime(grace) }
      this.#settings.changed()
    } else if (this.#killing.grace !== grace) this.#killing.grace.follow(grace)
    return this.#killing.done
  }

  async #begin(): Promise<void> {
    const { plan, target, clock, changed, tell } = this.#settings
    const { postStart } = plan.hooks
    if (asksByCommand(plan)) await this.#joined()
    const problem = postStart === undefined ? undefined : await runHook(postStart, target, clock, this.#over.signal)
    if (this.#over.signal.aborted || this.#killing !== undefined) return
    if (problem !== undefined) {
      tell({ type: 'Warning', reason: 'FailedPostStartHook', message: `PostStartHook failed: ${problem}` })
      void this.#killOwn(`Container ${plan.name} failed its postStart hook`)
      return
    }
    this.#probes = new ContainerProbes({
      probes: plan.probes,
      clock,
      ask: (check, signal) => askOnce(check, target, signal),
      changed,
      unhealthy: (kind, reason) =>
        tell({ type: 'Warning', reason: 'Unhealthy', message: `${titleOf(kind)} probe failed: ${reason}` }),
      exhausted: (kind, { graceMs }) =>
        void this.#killOwn(`Container ${plan.name} failed ${kind} probe, will be restarted`, graceMs),
    })
    changed()
  }

  /** Resolves when commands can be run beside the process, or when it is over. */
  async #joined(): Promise<void> {
    const { target, clock } = this.#settings
    const { signal } = this.#over
    while (!signal.aborted && target.command(['true']) === undefined)
      await sleep(clock, JOIN_PAUSE_MS, signal).catch(() => {})
  }

  /** By what the container itself has done. */
  async #killOwn(why: string, graceMs = this.#settings.graceMs): Promise<void> {
    const grace = new Grace(this.#settings.clock, graceMs)
    await this.kill(grace, why)
    grace.close()
  }

  async #endInTime(grace: Grace): Promise<void> {
    const { plan, process, clock } = this.#settings
    this.#probes?.stop()
    if (!grace.isForced) {
      await this.#beforeStop(grace)
      process.signal('SIGTERM')
      const last = grace.over.aborted ? new Grace(clock, grace.isForced ? 0 : LAST_GRACE_MS) : grace
      await Promise.race([this.ended, abortOf(last.over)])
      if (last !== grace) last.close()
    }
    process.signal('SIGKILL')
    const waiting = new AbortController()
    const late = sleep(clock, KILL_WAIT_MS, waiting.signal).then(this.#giveUp, () => {})
    await Promise.race([this.ended, late])
    waiting.abort(new Error(`${plan.name} has ended`))
  }

  async #beforeStop(grace: Grace): Promise<void> {
    const { plan, target, clock, tell } = this.#settings
    const { preStop } = plan.hooks
    if (preStop === undefined) return
    const problem = await runHook(preStop, target, clock, AbortSignal.any([grace.over, this.#over.signal]))
    if (problem === undefined || this.#over.signal.aborted) return
    tell({ type: 'Warning', reason: 'FailedPreStopHook', message: `PreStopHook failed: ${problem}` })
  }
}

function asksByCommand({ probes, hooks }: ContainerPlan): boolean {
  const checks = [...Object.values(probes).map((probe) => probe?.check), hooks.postStart]
  return checks.some((check) => check?.kind === 'exec')
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function titleOf(kind: ProbeKind): string {
  return `${kind.charAt(0).toUpperCase()}${kind.slice(1)}`
}
