import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import type { ProgramStatus } from '#shared/control'
import type { Closer } from '#shared/lifecycle'
import { type IpAddress, parseIp } from '#shared/net'
import { connectFrom, type Netns } from '#shared/sys'
import { BoundedLog, type Command, type MachinePids, RestartingProcess } from '../host/index.ts'
import { askPort, ProbeWatch } from '../kubelet/index.ts'

/** A program of the mesh as it is to be run. */
export interface ProgramSpec {
  /** `istiod-lite`, `node-agent`, `ztunnel`. */
  readonly name: string
  /** Undefined for the one of the whole mesh. */
  readonly node: string | undefined
  readonly command: Command
  /** Where it listens. */
  readonly netns: Netns
  /** `/proc/<pid>/ns/net`, for people. */
  readonly netnsPath: string
  readonly readyPort: number
  readonly readyPath: string
}

export interface ProgramMachine {
  readonly clock: Clock
  readonly pids: MachinePids
  readonly logsDir: string
  readonly changed: (program: MeshProgram) => void
}

/** A program that has died by itself is told as such until it is ready again. */
const PROBE = { initialDelayMs: 0, periodMs: 1_000, timeoutMs: 1_000, successThreshold: 1, failureThreshold: 1 }

/** One running program of the mesh: started again when it ends, and asked whether it is ready. */
export class MeshProgram implements Closer {
  readonly spec: ProgramSpec
  readonly #machine: ProgramMachine
  readonly #log: BoundedLog
  readonly #process: RestartingProcess
  #watch: ProbeWatch | undefined
  #wasReady = false

  constructor(spec: ProgramSpec, machine: ProgramMachine) {
    this.spec = spec
    this.#machine = machine
    this.#log = new BoundedLog(`${machine.logsDir}/${this.key}.log`)
    this.#process = new RestartingProcess({
      clock: machine.clock,
      log: this.#log,
      command: () => spec.command,
      changed: () => this.#processChanged(),
    })
  }

  start(): void {
    this.#process.start()
  }

  get isReady(): boolean {
    return this.#process.state.kind === 'running' && this.#watch?.result === 'success'
  }

  /** Names its log, and the pod that it shows as. */
  get key(): string {
    const { name, node } = this.spec
    return node === undefined ? name : `${name}-${node}`
  }

  /** For people. */
  get title(): string {
    return this.spec.node === undefined ? this.spec.name : `${this.spec.name} on ${this.spec.node}`
  }

  /** How often it has ended by itself. */
  get endings(): number {
    return this.#process.endings
  }

  get logFile(): string {
    return this.#log.path
  }

  get status(): ProgramStatus {
    const { state } = this.#process
    const { name, node, netnsPath } = this.spec
    return {
      name,
      node,
      state: this.#stateWord(),
      ready: this.isReady,
      pid: state.kind === 'running' ? this.#machine.pids.of(state.pid) : undefined,
      restarts: this.#process.restarts,
      reason: state.kind === 'waiting' ? `${state.reason}; starting again` : (this.#watch?.reason ?? state.kind),
      log: this.#log.path,
      netns: netnsPath,
    }
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

  close(): Promise<void> {
    return this.stop(0)
  }

  #stateWord(): ProgramStatus['state'] {
    const { state } = this.#process
    if (state.kind === 'waiting') return 'backing-off'
    if (state.kind !== 'running') return 'stopped'
    if (this.isReady) return 'ready'
    return this.#wasReady ? 'not-ready' : 'starting'
  }

  #processChanged(): void {
    const { state } = this.#process
    this.#watch?.stop()
    this.#watch = undefined
    if (state.kind === 'running') {
      const { readyPort: port, readyPath: path, netns } = this.spec
      const check = { kind: 'http', isTls: false, host: undefined, port, path, headers: [] } as const
      const dial = (ip: IpAddress): Socket => connectFrom(netns, { ip, port })
      this.#watch = new ProbeWatch({
        plan: PROBE,
        clock: this.#machine.clock,
        first: 'failure',
        isEager: true,
        ask: (signal) => askPort(check, { ip: LOOPBACK, dial }, signal),
        changed: () => this.#tell(),
      })
    }
    this.#tell()
  }

  #tell(): void {
    if (this.isReady) this.#wasReady = true
    this.#machine.changed(this)
  }
}

const LOOPBACK: IpAddress = loopback()

function loopback(): IpAddress {
  const ip = parseIp('127.0.0.1')
  if (ip === undefined) throw new TypeError('127.0.0.1 is an address')
  return ip
}
