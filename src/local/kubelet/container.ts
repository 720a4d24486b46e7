import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { IpAddress } from '#shared/net'
import { BoundedLog, type Command, RestartingProcess } from '../host/index.ts'
import type { ContainerPlan, ProbePlan } from '../pod-plan/index.ts'
import { askOnce, type Dial, type ReadinessProbe } from './probe.ts'
import { ReadinessWatch } from './readiness-watch.ts'

export interface ContainerSettings {
  readonly plan: ContainerPlan
  readonly clock: Clock
  readonly logFile: string
  readonly command: () => Command
  readonly podIp: IpAddress
  readonly dial: Dial
  readonly changed: () => void
}

/** One container of a running pod: a process that is always started again, and its readiness. */
export class RunningContainer {
  readonly name: string
  readonly #settings: ContainerSettings
  readonly #log: BoundedLog
  readonly #process: RestartingProcess
  readonly #probe: ReadinessProbe | undefined
  #watch: ReadinessWatch | undefined

  constructor(settings: ContainerSettings) {
    const { plan, clock, logFile, command } = settings
    this.#probe = readinessOf(plan.probes.readiness)
    this.name = plan.name
    this.#settings = settings
    this.#log = new BoundedLog(logFile)
    this.#process = new RestartingProcess({
      clock,
      log: this.#log,
      restart: 'Always',
      command,
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
    return this.#probe === undefined || this.#watch?.isReady === true
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
    return this.#log.path
  }

  /** To be called now and then. */
  trimLog(): void {
    this.#log.trim()
  }

  async stop(graceMs: number): Promise<void> {
    this.#watch?.stop()
    await this.#process.stop(graceMs)
    this.#log.close()
  }

  #processChanged(): void {
    const { clock, podIp, dial, changed } = this.#settings
    this.#watch?.stop()
    this.#watch = undefined
    const probe = this.#probe
    if (probe !== undefined && this.#process.state.kind === 'running') {
      this.#watch = new ReadinessWatch(probe, clock, () => askOnce(probe, podIp, dial), changed)
    }
    changed()
  }
}

function readinessOf(probe: ProbePlan | undefined): ReadinessProbe | undefined {
  if (probe === undefined) return undefined
  const { check } = probe
  if (check.kind === 'tcp' || check.kind === 'http') return { ...probe, check }
  throw new MeshError('CONTAINER_CONFIG_INVALID', `a readiness probe by ${check.kind} is not supported on one machine`)
}
