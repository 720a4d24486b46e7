import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Backoff, type Clock, sleep } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type IpAddress, ipFamily } from '#shared/net'
import { connectFrom, type Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { killNeighbours, type Tools, writeInPlace } from '../host/index.ts'
import { type NamespaceHolder, type PodAddresses, type PodNetwork, PROBE_SOURCES } from '../network/index.ts'
import type { PodPlan, PodVolumes } from '../pod-plan/index.ts'
import { RunningContainer } from './container.ts'
import { startContainer } from './container-command.ts'
import { openSandbox } from './sandbox.ts'

/** What a runner needs of the machine; the same for all pods of a node. */
export interface PodMachine {
  readonly tools: Tools
  readonly clock: Clock
  readonly logger: Logger
  readonly network: PodNetwork
  /** The node's namespace, from which probes come. */
  readonly nodeNetns: Netns
  /** `<dir>/<uid>` leads to a pod's network namespace. */
  readonly netnsDir: string
  readonly podsDir: string
  readonly logsDir: string
  readonly hidden: readonly string[]
  /** Resolves when the node captures the pod's traffic, or at once when the pod is not to be captured. */
  readonly captured: (uid: string, signal: AbortSignal) => Promise<void>
}

export interface PodOrder {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly plan: PodPlan
  readonly volumes: PodVolumes
  readonly volumesDir: string
  /** Calls back when something comes or changes that it may have been missing. @returns the end of it */
  readonly follow: (changed: () => void) => () => void
  /** Given back to the machine's network when the pod has been stopped. */
  readonly addresses: PodAddresses
  readonly hosts: string
  readonly resolv: string
}

/**
 * ```
 * pending ─namespaces and link→ capturing ─in the mesh, or not enrolled→ running ─namespaces lost→ lost
 *    └─ failed, again after a while ─┘                         any ─stop→ stopping → stopped
 * ```
 */
export type PodPhase = 'pending' | 'capturing' | 'running' | 'lost' | 'stopping' | 'stopped'

const RETRY = { firstMs: 500, maxMs: 15_000, jitter: 0.1 }
/** After this the wait for capture is told loudly; it goes on, as an enrolled pod must not send a packet beside the mesh. */
const CAPTURE_PATIENCE_MS = 15_000
/** Rounds of killing what a pod left behind; each kills all that are seen. */
const SWEEP_ROUNDS = 20
const SWEEP_PAUSE_MS = 5

/** Runs one pod: its namespaces, then its place in the mesh, then its containers; and takes them down again. */
export class PodRunner {
  readonly order: PodOrder
  readonly #machine: PodMachine
  readonly #changed: () => void
  readonly #ending = new AbortController()
  readonly #hostsFile: string
  #hosts: string
  #hasFiles = false
  #phase: PodPhase = 'pending'
  #reason = ''
  #sandbox: NamespaceHolder | undefined
  #containers: readonly RunningContainer[] = []
  #way: Promise<void>

  constructor(order: PodOrder, machine: PodMachine, changed: () => void) {
    this.order = order
    this.#machine = machine
    this.#changed = changed
    this.#hosts = order.hosts
    this.#hostsFile = join(machine.podsDir, order.uid, 'hosts')
    this.#way = this.#bringUp()
  }

  get phase(): PodPhase {
    return this.#phase
  }

  /** Why it does not go on; empty when nothing is wrong. */
  get reason(): string {
    return this.#reason
  }

  get netnsPath(): string | undefined {
    return this.#sandbox?.netnsPath
  }

  get sandbox(): NamespaceHolder | undefined {
    return this.#sandbox
  }

  get containers(): readonly RunningContainer[] {
    return this.#containers
  }

  get isReady(): boolean {
    return this.#phase === 'running' && this.#containers.every((container) => container.isReady)
  }

  /** New names for /etc/hosts; written in place, as the pod's mount holds this very file. */
  writeHosts(text: string): void {
    if (text === this.#hosts) return
    this.#hosts = text
    if (this.#hasFiles) writeInPlace(this.#hostsFile, text)
  }

  /** Ends containers, then everything that is left in the pod's namespaces, then these. Safe to call twice. */
  async stop(graceMs: number): Promise<void> {
    if (this.#phase === 'stopped') return
    this.#enter('stopping')
    this.#ending.abort(new Error('the pod is being stopped'))
    await this.#way
    await this.#stopContainers(graceMs)
    await this.#closeSandbox()
    this.#hasFiles = false
    await this.order.volumes.close()
    rmSync(join(this.#machine.podsDir, this.order.uid), { recursive: true, force: true })
    this.#machine.network.release(this.order.addresses)
    this.#enter('stopped')
  }

  /** Never rejects. */
  async #bringUp(): Promise<void> {
    const { clock, logger } = this.#machine
    const backoff = new Backoff(clock, RETRY)
    const { signal } = this.#ending
    while (!signal.aborted) {
      const news = new AbortController()
      const unfollow = this.order.follow(() => news.abort())
      try {
        await this.#makeSandbox()
        await this.#waitForCapture(signal)
        signal.throwIfAborted()
        this.#startContainers()
        return
      } catch (error) {
        if (signal.aborted) return
        this.#reason = reasonOf(error)
        logger.error('pod cannot be started, trying again', { pod: this.#name, reason: this.#reason })
        await this.#stopContainers(0)
        await this.#closeSandbox()
        this.#enter('pending')
        await sleep(clock, backoff.next(), AbortSignal.any([signal, news.signal])).catch(() => {})
      } finally {
        unfollow()
      }
    }
  }

  async #makeSandbox(): Promise<void> {
    const { tools, network, netnsDir, podsDir, hidden } = this.#machine
    const { uid, plan, resolv, volumes, volumesDir } = this.order
    const dir = join(podsDir, uid)
    const resolvFile = join(dir, 'resolv.conf')
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    writeFileSync(this.#hostsFile, this.#hosts, { mode: 0o644 })
    writeFileSync(resolvFile, resolv, { mode: 0o644 })
    this.#hasFiles = true
    await volumes.prepare()
    const { hostname } = plan
    const sandbox = await openSandbox(tools, { hostname, hostsFile: this.#hostsFile, resolvFile, volumesDir, hidden })
    this.#sandbox = sandbox
    await network.connect(sandbox.netnsPath, this.order.addresses)
    symlinkSync(sandbox.netnsPath, join(netnsDir, uid))
    sandbox.onLost(() => {
      this.#reason = 'its namespaces were ended from outside'
      if (this.#phase !== 'stopping') this.#enter('lost')
    })
  }

  async #waitForCapture(signal: AbortSignal): Promise<void> {
    const { clock, logger, captured } = this.#machine
    this.#enter('capturing')
    const alarm = clock.setTimer(CAPTURE_PATIENCE_MS, () => {
      this.#reason = 'enrolled, but the node does not capture its traffic; it is not started, so that nothing leaks'
      logger.error('pod waits for its capture', { pod: this.#name, reason: this.#reason })
      this.#changed()
    })
    try {
      await captured(this.order.uid, signal)
    } finally {
      alarm.cancel()
    }
  }

  #startContainers(): void {
    const { tools, clock, logsDir, nodeNetns } = this.#machine
    const sandbox = this.#sandbox
    if (sandbox === undefined || this.#phase === 'lost') return
    const { namespace, name, plan: pod, volumesDir } = this.order
    this.#reason = ''
    const dial = (ip: IpAddress, port: number): ReturnType<typeof connectFrom> =>
      connectFrom(nodeNetns, { ip, port }, { source: PROBE_SOURCES[ipFamily(ip)] })
    for (const plan of pod.containers) {
      const container = new RunningContainer({
        plan,
        clock,
        logFile: join(logsDir, 'pods', `${namespace}_${name}_${plan.name}.log`),
        command: () => startContainer(tools, sandbox, volumesDir, plan.resolve()),
        podIp: this.order.addresses.ips[0] as IpAddress,
        dial,
        changed: () => this.#changed(),
      })
      this.#containers = [...this.#containers, container]
    }
    this.#enter('running')
  }

  async #stopContainers(graceMs: number): Promise<void> {
    await Promise.all(this.#containers.map((container) => container.stop(graceMs)))
    this.#containers = []
  }

  async #closeSandbox(): Promise<void> {
    rmSync(join(this.#machine.netnsDir, this.order.uid), { force: true })
    const sandbox = this.#sandbox
    if (sandbox === undefined) return
    this.#sandbox = undefined
    // What left its container's process group is still in the pod's namespaces; it may start more while it is killed.
    for (let round = 0; round < SWEEP_ROUNDS && killNeighbours(sandbox.machinePid) > 0; round++) {
      await sleep(this.#machine.clock, SWEEP_PAUSE_MS)
    }
    await sandbox.close()
  }

  get #name(): string {
    return `${this.order.namespace}/${this.order.name}`
  }

  #enter(phase: PodPhase): void {
    this.#phase = phase
    this.#changed()
  }
}
