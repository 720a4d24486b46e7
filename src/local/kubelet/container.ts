import { Backoff, type Clock, sleep } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { IpAddress } from '#shared/net'
import type { Command } from '../host/index.ts'
import type { ContainerLog } from '../logs/index.ts'
import type { ContainerPlan, ContainerRun } from '../pod-plan/index.ts'
import { type SpawnedProcess, type StartProcess, startProcess } from './container-process.ts'
import { LiveRun } from './container-run.ts'
import {
  type ContainerState,
  type EarlierRun,
  restartsAfter,
  staysEnded,
  type TerminatedRun,
  terminatedRun,
  type WaitingReason,
} from './container-state.ts'
import type { Grace } from './grace.ts'
import type { PodEvent } from './pod-event.ts'
import type { Dial } from './probe.ts'
import { type Follow, sleepUntilChange } from './sleep-until-change.ts'

export type ContainerRole = 'init' | 'sidecar' | 'main'

export interface ContainerSettings {
  readonly plan: ContainerPlan
  readonly role: ContainerRole
  readonly clock: Clock
  readonly log: ContainerLog
  /** `name_namespace(uid)`, as a kubelet names it. */
  readonly podTitle: string
  /** Of the pod; for what ends the container alone. */
  readonly graceMs: number
  readonly firstReason: Extract<WaitingReason, 'PodInitializing' | 'ContainerCreating'>
  readonly earlier: EarlierRun | undefined
  /** Of what it may be missing for its start. */
  readonly follow: Follow
  readonly changed: () => void
  readonly tell: (event: PodEvent) => void
  readonly startProcess?: StartProcess
}

/** Where its processes run. */
export interface ContainerPlace {
  readonly command: (run: ContainerRun) => Command
  /** For a command beside the process `pid` (own numbering), in its namespaces; undefined while it is not there yet. */
  readonly beside: (pid: number, run: ContainerRun) => Command | undefined
  readonly ip: IpAddress
  readonly dial: Dial
}

/** Between runs; one that lasted `HEALTHY_MS` resets it. A kubelet waits from 10 s to 5 min, and resets after 10 min. */
const BACKOFF = { firstMs: 200, maxMs: 10_000, jitter: 0.1 }
const HEALTHY_MS = 10_000
/** For what a process wrote last; something that left its group may hold its output open for ever. */
const LAST_OUTPUT_MS = 1_000
/** Of a run's output, where its start can have failed. */
const FIRST_OUTPUT = 2_048

/** One container of a pod, over all runs of its process. */
export class PodContainer {
  readonly plan: ContainerPlan
  readonly role: ContainerRole
  readonly log: ContainerLog
  readonly #settings: ContainerSettings
  readonly #ending = new AbortController()
  #state: ContainerState
  /** Runs that are over, the newest two, newest first. */
  #runs: readonly TerminatedRun[]
  #restarts: number
  #hasRun: boolean
  #isDone: boolean
  #run: ContainerRun | undefined
  #live: LiveRun | undefined
  #life: Promise<void> | undefined

  constructor(settings: ContainerSettings) {
    const { plan, role, log, earlier, firstReason } = settings
    this.plan = plan
    this.role = role
    this.log = log
    this.#settings = settings
    this.#runs = earlier === undefined ? [] : [earlier.last]
    this.#restarts = earlier?.restarts ?? 0
    this.#hasRun = earlier !== undefined
    this.#isDone = earlier !== undefined && staysEnded(plan.restart, earlier, role)
    this.#state =
      this.#isDone && earlier !== undefined
        ? { kind: 'terminated', run: earlier.last }
        : { kind: 'waiting', reason: firstReason, message: '' }
  }

  get name(): string {
    return this.plan.name
  }

  get state(): ContainerState {
    return this.#state
  }

  /** The run before the one that `state` shows. */
  get last(): TerminatedRun | undefined {
    return this.#runs[this.#state.kind === 'terminated' ? 1 : 0]
  }

  /** Runs after the first; also the number of the newest run in the log. */
  get restarts(): number {
    return this.#restarts
  }

  /** Will not run again. */
  get isDone(): boolean {
    return this.#isDone
  }

  get hasSucceeded(): boolean {
    return this.#isDone && this.#state.kind === 'terminated' && this.#state.run.exitCode === 0
  }

  /** In this program's own numbering. */
  get pid(): number | undefined {
    return this.#state.kind === 'running' ? this.#state.pid : undefined
  }

  /** What runs now or ran last. */
  get run(): ContainerRun | undefined {
    return this.#run
  }

  get isStarted(): boolean {
    return this.#state.kind === 'running' && this.#live?.isStarted === true
  }

  get isReady(): boolean {
    return this.#state.kind === 'running' && this.#live?.isReady === true
  }

  /** Why it is not ready; empty when it is. */
  get reason(): string {
    if (this.#state.kind === 'waiting') return this.#state.message || this.#state.reason
    if (this.#state.kind === 'running') return this.#live?.reason ?? ''
    const { reason, exitCode, message } = this.#state.run
    return message || `${reason}, exit code ${exitCode}`
  }

  /** Once; nothing happens when an earlier life has finished it. */
  start(place: ContainerPlace): void {
    if (!this.#isDone) this.#life ??= this.#lead(place)
  }

  /** Resolves when it is done. May be called again with less grace. */
  async stop(grace: Grace): Promise<void> {
    this.#ending.abort()
    await this.#live?.kill(grace, `Stopping container ${this.name}`)
    await this.#life
    this.#isDone = true
  }

  /** Never rejects. */
  async #lead(place: ContainerPlace): Promise<void> {
    const { clock } = this.#settings
    const { signal } = this.#ending
    const backoff = new Backoff(clock, BACKOFF)
    while (!this.#isDone) {
      const startedMs = clock.monotonicMs()
      const run = this.#resolved()
      const ended = run === undefined ? undefined : await this.#runOnce(run, place)
      if (clock.monotonicMs() - startedMs >= HEALTHY_MS) backoff.reset()
      const goesOn = ended === undefined || restartsAfter(this.plan.restart, ended)
      if (goesOn && !signal.aborted) {
        const delayMs = backoff.next()
        if (ended !== undefined) this.#backOff(ended, delayMs)
        const waited =
          ended === undefined
            ? sleepUntilChange(clock, delayMs, this.#settings.follow, signal)
            : sleep(clock, delayMs, signal)
        await waited.catch(() => {})
      }
      if (goesOn && !signal.aborted) continue
      this.#isDone = true
      const newest = this.#runs[0]
      if (newest !== undefined) this.#enter({ kind: 'terminated', run: newest })
    }
  }

  /** Undefined when it cannot be said now what it runs. */
  #resolved(): ContainerRun | undefined {
    try {
      this.#run = this.plan.resolve()
      return this.#run
    } catch (error) {
      const message = reasonOf(error)
      this.#settings.tell({ type: 'Warning', reason: 'Failed', message: `Error: ${message}` })
      this.#enter({ kind: 'waiting', reason: 'CreateContainerConfigError', message })
      return undefined
    }
  }

  async #runOnce(run: ContainerRun, place: ContainerPlace): Promise<TerminatedRun> {
    const { clock, graceMs, changed, tell } = this.#settings
    const start = this.#settings.startProcess ?? startProcess
    const startedAtMs = clock.nowMs()
    if (this.#hasRun) this.#restarts++
    this.#hasRun = true
    const process = start(place.command(run), this.plan)
    const output = this.#capture(process)
    const { pid } = process
    const command = (argv: readonly string[]): Command | undefined =>
      pid === undefined ? undefined : place.beside(pid, { ...run, argv: nonEmpty(argv) })
    const target = { ip: place.ip, dial: place.dial, command }
    this.#live = new LiveRun({ plan: this.plan, process, target, clock, graceMs, changed, tell })
    if (pid !== undefined) {
      tell({ type: 'Normal', reason: 'Created', message: `Created container ${this.name}` })
      tell({ type: 'Normal', reason: 'Started', message: `Started container ${this.name}` })
      this.#enter({ kind: 'running', pid, startedAtMs })
    }
    const end = await this.#live.ended
    const firstOutput = await output.end()
    this.#live = undefined
    const ended = terminatedRun(end, { startedAtMs, finishedAtMs: clock.nowMs() }, firstOutput)
    this.#runs = [ended, ...this.#runs.slice(0, 1)]
    if (ended.reason === 'StartError') tell({ type: 'Warning', reason: 'Failed', message: `Error: ${ended.message}` })
    return ended
  }

  /** Leads the outputs into the log, and keeps their beginning. */
  #capture({ stdout, stderr }: SpawnedProcess): { end(): Promise<string> } {
    const { log, clock } = this.#settings
    let first = ''
    const unfollow = log.follow((_, bytes) => {
      if (first.length < FIRST_OUTPUT) first += bytes.toString()
      return undefined
    })
    const captured = log.capture(this.#restarts, stdout, stderr)
    return {
      end: async () => {
        const waiting = new AbortController()
        await Promise.race([captured, sleep(clock, LAST_OUTPUT_MS, waiting.signal).catch(() => {})])
        waiting.abort(new Error('the output has ended'))
        stdout.destroy()
        stderr?.destroy()
        unfollow()
        return first
      },
    }
  }

  #backOff({ reason, message }: TerminatedRun, delayMs: number): void {
    const { podTitle, tell } = this.#settings
    if (reason === 'StartError') {
      this.#enter({ kind: 'waiting', reason: 'RunContainerError', message })
      return
    }
    const waited = `${(delayMs / 1000).toFixed(1)}s`
    const text = `back-off ${waited} restarting failed container=${this.name} pod=${podTitle}`
    tell({
      type: 'Warning',
      reason: 'BackOff',
      message: `Back-off restarting failed container ${this.name} in pod ${podTitle}`,
    })
    this.#enter({ kind: 'waiting', reason: 'CrashLoopBackOff', message: text })
  }

  #enter(state: ContainerState): void {
    this.#state = state
    this.#settings.changed()
  }
}

function nonEmpty(argv: readonly string[]): ContainerRun['argv'] {
  const [file = '', ...args] = argv
  return [file, ...args]
}
