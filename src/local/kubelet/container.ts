import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import type { IpAddress } from '#shared/net'
import { type Command, RestartingProcess, type SessionOptions, type SessionProcess } from '../host/index.ts'
import type { ContainerLog } from '../logs/index.ts'
import type { ContainerPlan } from './pod-plan.ts'
import { askOnce, type Dial } from './probe.ts'
import { ReadinessWatch } from './readiness-watch.ts'

/** A container's process, and what it has of an input. */
export type ConsolePlan = ContainerPlan & SessionOptions

export type StartProcess = (
  command: Command,
  plan: SessionOptions,
) => Pick<SessionProcess, 'pid' | 'stdout' | 'stderr' | 'ended'>

export interface ContainerSettings {
  readonly plan: ConsolePlan
  readonly clock: Clock
  readonly log: ContainerLog
  /** Of the log, for people. */
  readonly logDir: string
  readonly command: Command
  readonly startProcess: StartProcess
  readonly podIp: IpAddress
  readonly dial: Dial
  readonly changed: () => void
}

/** One container of a running pod: a process that is always started again, and its readiness. */
export class RunningContainer {
  readonly name: string
  readonly #settings: ContainerSettings
  readonly log: ContainerLog
  readonly #process: RestartingProcess
  #watch: ReadinessWatch | undefined

  constructor(settings: ContainerSettings) {
    const { plan, clock, log, command, startProcess } = settings
    this.name = plan.name
    this.#settings = settings
    this.log = log
    this.#process = new RestartingProcess({
      clock,
      output: (each, run) => {
        const session = startProcess(each, plan)
        void log.capture(run, session.stdout, session.stderr)
        return session
      },
      restart: 'Always',
      command: () => command,
      changed: () => this.#processChanged(),
    })
    this.#process.start()
  }

  /** In this program's own numbering. */
  get pid(): number | undefined {
    return this.#process.state.kind === 'running' ? this.#process.state.pid : undefined
  }

  get restarts(): number {
    return this.#process.restarts
  }

  get isReady(): boolean {
    if (this.#process.state.kind !== 'running') return false
    return this.#settings.plan.probe === undefined || this.#watch?.isReady === true
  }

  get isBackingOff(): boolean {
    return this.#process.state.kind === 'waiting'
  }

  /** Why it is not ready; empty when it is. */
  get reason(): string {
    const { state } = this.#process
    if (state.kind === 'waiting') return `${state.reason}; starting again`
    if (state.kind !== 'running') return state.kind
    return this.#watch === undefined ? '' : this.#watch.reason
  }

  get logFile(): string {
    return join(this.#settings.logDir, `${this.restarts}.log`)
  }

  async stop(graceMs: number): Promise<void> {
    this.#watch?.stop()
    await this.#process.stop(graceMs)
    await this.log.close()
  }

  #processChanged(): void {
    const { plan, clock, podIp, dial, changed } = this.#settings
    this.#watch?.stop()
    this.#watch = undefined
    const { probe } = plan
    if (probe !== undefined && this.#process.state.kind === 'running') {
      this.#watch = new ReadinessWatch(probe, clock, () => askOnce(probe, podIp, dial), changed)
    }
    changed()
  }
}
