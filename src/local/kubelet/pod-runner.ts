import { join } from 'node:path'
import { Backoff, type Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type IpAddress, ipFamily } from '#shared/net'
import { connectFrom, type Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { areNeighbours, type MachinePids, type Tools } from '../host/index.ts'
import { type ContainerLog, containerLogDir } from '../logs/index.ts'
import { type NamespaceHolder, type PodAddresses, type PodNetwork, PROBE_SOURCES } from '../network/index.ts'
import type { PodPlan, PodVolumes } from '../pod-plan/index.ts'
import { type ContainerPlace, PodContainer } from './container.ts'
import { enterContainer, startContainer } from './container-command.ts'
import type { StartProcess } from './container-process.ts'
import type { EarlierRun } from './container-state.ts'
import { Grace } from './grace.ts'
import { PodContainers, type PodEnd } from './pod-containers.ts'
import type { PodEvent } from './pod-event.ts'
import { PodSandbox } from './pod-sandbox.ts'
import { type Follow, sleepUntilChange } from './sleep-until-change.ts'

/** What a runner needs of the machine; the same for all pods of a node. */
export interface PodMachine {
  readonly tools: Tools
  readonly clock: Clock
  readonly logger: Logger
  readonly pids: MachinePids
  readonly network: PodNetwork
  /** The node's namespace, from which probes come. */
  readonly nodeNetns: Netns
  /** `<dir>/<uid>` leads to a pod's network namespace. */
  readonly netnsDir: string
  readonly podsDir: string
  /** A folder for each pod, with one for each container. */
  readonly podLogsDir: string
  readonly hidden: readonly string[]
  /** The log in `dir`, which an earlier life may have begun. */
  readonly openLog: (dir: string) => ContainerLog
  readonly startProcess?: StartProcess
  /** Resolves when the node captures the pod's traffic, or at once when the pod is not to be captured. */
  readonly captured: (uid: string, signal: AbortSignal) => Promise<void>
}

export interface PodOrder {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly plan: PodPlan
  readonly volumes: PodVolumes
  /** Where the files of the volumes are, on this machine. */
  readonly volumesDir: string
  /** Of what containers and volumes may be missing. */
  readonly follow: Follow
  /** Given back to the machine's network when the pod has ended. */
  readonly addresses: PodAddresses
  readonly hosts: string
  readonly resolv: string
  /** Epoch ms; its deadline runs from here. */
  readonly startedAtMs: number
  /** What an earlier life of this program left of its containers, by name. */
  readonly earlier: ReadonlyMap<string, EarlierRun>
}

/** Whom a runner tells. */
export interface PodListener {
  /** Something that its getters show is another. */
  readonly changed: () => void
  readonly tell: (event: PodEvent) => void
}

/**
 * ```
 * pending ─namespaces and link→ capturing ─in the mesh, or not enrolled→ initializing ─→ running ─all ended→ ended
 *    └─ failed, again after a while ─┘                       namespaces lost→ lost      any ─stop→ stopping → stopped
 * ```
 */
export type PodPhase = 'pending' | 'capturing' | 'initializing' | 'running' | 'ended' | 'lost' | 'stopping' | 'stopped'

const RETRY = { firstMs: 500, maxMs: 15_000, jitter: 0.1 }
/** After this the wait for capture is told loudly; it goes on, as an enrolled pod must not send a packet beside the mesh. */
const CAPTURE_PATIENCE_MS = 15_000
const DEADLINE: PodEnd = {
  phase: 'Failed',
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
}

/** Runs one pod: its namespaces, then its place in the mesh, then its containers; and takes them down again. */
export class PodRunner {
  readonly order: PodOrder
  readonly #machine: PodMachine
  readonly #listener: PodListener
  readonly #containers: PodContainers
  readonly #sandbox: PodSandbox
  /** Ends the way up and the wait for its containers; with `DEADLINE` as the reason, or because it is being stopped. */
  readonly #halt = new AbortController()
  #phase: PodPhase = 'pending'
  #reason = ''
  #end: PodEnd | undefined
  #grace: Grace | undefined
  #stopped: Promise<void> | undefined
  #isGivenBack = false
  readonly #life: Promise<void>

  constructor(order: PodOrder, machine: PodMachine, listener: PodListener) {
    this.order = order
    this.#machine = machine
    this.#listener = listener
    this.#sandbox = new PodSandbox(order, machine, () => this.#lost())
    this.#containers = this.#makeContainers()
    this.#life = this.#live()
  }

  get phase(): PodPhase {
    return this.#phase
  }

  /** Why it does not go on; empty when nothing is wrong. */
  get reason(): string {
    return this.#reason
  }

  /** How it ended; undefined while it has not. */
  get end(): PodEnd | undefined {
    return this.#end
  }

  get netnsPath(): string | undefined {
    return this.#sandbox.holder?.netnsPath
  }

  get initContainers(): readonly PodContainer[] {
    return this.#containers.init
  }

  /** Those that are the pod's purpose. */
  get containers(): readonly PodContainer[] {
    return this.#containers.main
  }

  get isInitialized(): boolean {
    return this.#containers.isInitialized
  }

  get isReady(): boolean {
    const sidecars = this.initContainers.filter(({ role }) => role === 'sidecar')
    return this.#phase === 'running' && [...this.containers, ...sidecars].every((container) => container.isReady)
  }

  /**
   * Whose namespaces a command beside a running container's process enters, as the machine counts pids: its own, and
   * until it has joined the pod's those of their holder. Undefined when it does not run.
   */
  besidePid({ pid }: PodContainer): number | undefined {
    return pid === undefined ? undefined : (this.#insidePid(pid) ?? this.#sandbox.holder?.machinePid)
  }

  /** The file in which the newest run of a container is logged. */
  logFile({ name, restarts }: PodContainer): string {
    return join(this.#logDir(name), `${restarts}.log`)
  }

  /**
   * Ends containers, then everything that is left in the pod's namespaces, then these, and closes the logs. A second
   * call, with less grace, makes the first one faster.
   */
  stop(graceMs: number): Promise<void> {
    const grace = this.#graceOf(graceMs)
    grace.shorten(graceMs)
    this.#stopped ??= this.#stop(grace)
    return this.#stopped
  }

  async #stop(grace: Grace): Promise<void> {
    if (this.#phase !== 'ended') this.#enter('stopping')
    this.#halt.abort(new Error('the pod is being stopped'))
    await this.#life
    await this.#endContainers(grace)
    await this.#giveBack()
    await this.#containers.closeLogs()
    // One that is ended from outside has failed unless it had done all it was for.
    this.#end ??= this.#containers.end
    this.#enter('stopped')
  }

  /** Never rejects. */
  async #live(): Promise<void> {
    try {
      await this.#finish(await this.#untilEnd())
    } catch (error) {
      if (this.#stopped !== undefined) return
      this.#reason = reasonOf(error)
      this.#machine.logger.error('pod cannot be ended cleanly', { pod: this.#title, reason: this.#reason })
      this.#listener.changed()
    }
  }

  /** @throws the reason of `#halt` when it is being stopped */
  async #untilEnd(): Promise<PodEnd> {
    const { clock } = this.#machine
    const { plan, startedAtMs } = this.order
    const leftMs = startedAtMs + (plan.activeDeadlineMs ?? 0) - clock.nowMs()
    const deadline =
      plan.activeDeadlineMs === undefined ? undefined : clock.setTimer(leftMs, () => this.#halt.abort(DEADLINE))
    try {
      return this.#containers.end ?? (await this.#run(this.#halt.signal))
    } catch (error) {
      if (error !== DEADLINE) throw error
      this.#listener.tell({ type: 'Normal', reason: DEADLINE.reason, message: DEADLINE.message })
      return DEADLINE
    } finally {
      deadline?.cancel()
    }
  }

  async #run(signal: AbortSignal): Promise<PodEnd> {
    const holder = await this.#bringUp(signal)
    this.#reason = ''
    if (this.initContainers.length > 0) this.#enter('initializing')
    return this.#containers.run(this.#place(holder), () => this.#enter('running'), signal)
  }

  /** What belongs to the pod goes; its containers with their ends, and their logs, stay. */
  async #finish(end: PodEnd): Promise<void> {
    if (this.#phase === 'lost') return
    await this.#endContainers(this.#graceOf(this.order.plan.graceMs))
    await this.#giveBack()
    this.#end = end
    this.#enter('ended')
  }

  /** Tries again and again. @throws the signal's reason */
  async #bringUp(signal: AbortSignal): Promise<NamespaceHolder> {
    const { clock, logger } = this.#machine
    const backoff = new Backoff(clock, RETRY)
    for (;;) {
      try {
        await this.#prepareVolumes()
        const holder = await this.#openSandbox()
        await this.#waitForCapture(signal)
        signal.throwIfAborted()
        return holder
      } catch (error) {
        if (signal.aborted) throw signal.reason
        this.#reason = reasonOf(error)
        logger.error('pod cannot be started, trying again', { pod: this.#title, reason: this.#reason })
        await this.#sandbox.close()
        this.#enter('pending')
        await sleepUntilChange(clock, backoff.next(), this.order.follow, signal)
      }
    }
  }

  async #prepareVolumes(): Promise<void> {
    try {
      await this.order.volumes.prepare()
    } catch (error) {
      this.#listener.tell({ type: 'Warning', reason: 'FailedMount', message: reasonOf(error) })
      throw error
    }
  }

  async #openSandbox(): Promise<NamespaceHolder> {
    try {
      return await this.#sandbox.open()
    } catch (error) {
      const message = `Failed to create pod sandbox: ${reasonOf(error)}`
      this.#listener.tell({ type: 'Warning', reason: 'FailedCreatePodSandBox', message })
      throw error
    }
  }

  async #waitForCapture(signal: AbortSignal): Promise<void> {
    const { clock, logger, captured } = this.#machine
    this.#enter('capturing')
    const alarm = clock.setTimer(CAPTURE_PATIENCE_MS, () => {
      this.#reason = 'enrolled, but the node does not capture its traffic; it is not started, so that nothing leaks'
      logger.error('pod waits for its capture', { pod: this.#title, reason: this.#reason })
      this.#listener.changed()
    })
    try {
      await captured(this.order.uid, signal)
    } finally {
      alarm.cancel()
    }
  }

  #makeContainers(): PodContainers {
    const { clock, openLog, startProcess } = this.#machine
    const { namespace, name, uid, plan, earlier, follow } = this.order
    const containers = new PodContainers(
      plan,
      (each, role) =>
        new PodContainer({
          plan: each,
          role,
          clock,
          log: openLog(this.#logDir(each.name)),
          podTitle: `${name}_${namespace}(${uid})`,
          graceMs: plan.graceMs,
          firstReason: plan.initContainers.length > 0 ? 'PodInitializing' : 'ContainerCreating',
          earlier: earlier.get(each.name),
          follow,
          changed: () => {
            containers.noticeChange()
            this.#listener.changed()
          },
          tell: this.#listener.tell,
          ...(startProcess === undefined ? {} : { startProcess }),
        }),
    )
    return containers
  }

  #place(holder: NamespaceHolder): ContainerPlace {
    const { tools, nodeNetns } = this.#machine
    return {
      command: (run) => startContainer(tools, holder, this.order.volumesDir, run),
      beside: (pid, run) => {
        const machinePid = this.#insidePid(pid)
        return machinePid === undefined ? undefined : enterContainer(tools, { machinePid }, run)
      },
      ip: this.order.addresses.ips[0] as IpAddress,
      dial: (ip, port) => connectFrom(nodeNetns, { ip, port }, { source: PROBE_SOURCES[ipFamily(ip)] }),
    }
  }

  /** One for all that the pod's end takes, whoever began it. */
  #graceOf(ms: number): Grace {
    this.#grace ??= new Grace(this.#machine.clock, ms)
    return this.#grace
  }

  async #endContainers(grace: Grace): Promise<void> {
    await this.#containers.stop(grace)
    grace.close()
  }

  /** Once, as others may have got what it had. */
  async #giveBack(): Promise<void> {
    if (this.#isGivenBack) return
    this.#isGivenBack = true
    await this.#sandbox.close()
    await this.order.volumes.close()
    this.#sandbox.removeFiles()
    this.#machine.network.release(this.order.addresses)
  }

  #lost(): void {
    this.#reason = 'its namespaces were ended from outside'
    if (this.#phase !== 'stopping') this.#enter('lost')
  }

  /** Who entered the namespaces of a process that has not joined the pod's yet would be in this program's own. */
  #insidePid(pid: number): number | undefined {
    const machinePid = this.#machine.pids.of(pid)
    const holder = this.#sandbox.holder
    if (machinePid === undefined || holder === undefined) return undefined
    return areNeighbours(machinePid, holder.machinePid) ? machinePid : undefined
  }

  #logDir(container: string): string {
    return containerLogDir(this.#machine.podLogsDir, this.order, container)
  }

  get #title(): string {
    return `${this.order.namespace}/${this.order.name}`
  }

  #enter(phase: PodPhase): void {
    this.#phase = phase
    this.#listener.changed()
  }
}
