import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type Namespace, objectKey, type Pod, type Service } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'
import { EventRecorder } from '../controllers/index.ts'
import { type PodMachine, PodRunner } from '../kubelet/index.ts'
import type { ServiceProxy } from '../network/index.ts'
import { ApiObjects, type ApiPod, hostsFile, resolvFile } from '../objects/index.ts'
import { isEnrolled } from './enrolment.ts'
import type { MadePod, PodMaker } from './pod-maker.ts'
import {
  anew,
  blockedPod,
  graceMsOf,
  isDeleting,
  isFinished,
  isManaged,
  isMirror,
  nodeOf,
  unschedulableReason,
} from './pod-object.ts'
import { runningStatus, stuckStatus } from './pod-status.ts'
import { proxiedPorts } from './proxied-ports.ts'
import { isOver, podRef, StatusWriter } from './status-writer.ts'

/** A node as far as pods need it. */
export interface PodNode {
  readonly machine: Omit<PodMachine, 'captured'>
  readonly ips: readonly string[]
}

export interface ClusterSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly access: ObjectAccess
  readonly serviceProxy: ServiceProxy
  /** By node name, in order. */
  readonly nodes: ReadonlyMap<string, PodNode>
  /** Resolves when the tunnel of `node` serves the pod. */
  readonly capturing: (node: string, uid: string, signal: AbortSignal) => Promise<void>
  readonly maker: PodMaker
  /** After every change that `pods` or `services` show. */
  readonly changed: () => void
}

/** A pod that has a place, as long as anything of it is left. */
export interface PlacedPod {
  readonly key: string
  readonly pod: Pod
  readonly node: string
  readonly runner: PodRunner
  readonly isEnrolled: boolean
  readonly isLeaving: boolean
}

/** A pod that does not run, and why. */
export interface BlockedPod {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  readonly reason: string
}

/** A service with what it has now. */
export interface LiveService {
  readonly service: Service
  readonly ips: readonly string[]
  readonly endpoints: readonly PlacedPod[]
}

/** Changes that come within this time are worked off together. */
const QUIET_MS = 2

interface Entry {
  readonly uid: string
  readonly runner: PodRunner
  readonly node: string
  readonly startedAt: string
  /** When the process of a container was first seen, by container. */
  readonly starts: Map<string, { readonly pid: number; readonly at: string }>
  raw: ApiObject
  pod: Pod
  isLeaving: boolean
  enrolment: AbortController
  isEnrolled: boolean
}

/** The kubelet of all nodes: makes this machine run what the API holds, and the API show what runs. */
export class Cluster implements Closer {
  readonly #settings: ClusterSettings
  readonly #objects: ApiObjects
  readonly #status: StatusWriter
  readonly #events: EventRecorder
  readonly #entries = new Map<string, Entry>()
  readonly #leaving = new Set<Promise<void>>()
  /** Pods that are being taken out of the API. */
  readonly #removing = new Set<string>()
  #blocked: readonly BlockedPod[] = []
  #waiting = 0
  #timer: Timer | undefined
  #isClosed = false

  constructor(settings: ClusterSettings) {
    this.#settings = settings
    this.#status = new StatusWriter(settings.access, settings.clock, settings.logger)
    this.#events = new EventRecorder(settings, 'kubelet')
    this.#objects = new ApiObjects(settings.access, settings.maker.rules, () => this.notice())
  }

  get pods(): readonly PlacedPod[] {
    return [...this.#entries.values()].map(({ pod, node, runner, isEnrolled, isLeaving }) => ({
      key: objectKey(pod),
      pod,
      node,
      runner,
      isEnrolled,
      isLeaving,
    }))
  }

  get blocked(): readonly BlockedPod[] {
    return this.#blocked
  }

  get services(): readonly LiveService[] {
    const pods = this.pods
    return this.#objects.list('Service').map((service) => ({
      service,
      ips: service.spec.clusterIPs,
      endpoints: pods.filter(({ pod }) => selects(service, pod)),
    }))
  }

  /** Every pod has a place and is ready, and nothing is on its way out. */
  get isReady(): boolean {
    if (this.#waiting > 0) return false
    return [...this.#entries.values()].every((entry) => !entry.isLeaving && entry.runner.isReady)
  }

  /** Something changed: compare soon. */
  notice(): void {
    if (this.#isClosed || this.#timer !== undefined) return
    this.#timer = this.#settings.clock.setTimer(QUIET_MS, () => {
      this.#timer = undefined
      this.reconcile()
    })
  }

  /** Compares what is wanted with what is there. */
  reconcile(): void {
    if (this.#isClosed) return
    const namespaces = this.#objects.list('Namespace')
    const blocked: BlockedPod[] = []
    let waiting = 0
    for (const entry of this.#entries.values()) {
      if (entry.isLeaving) continue
      const wanted = this.#objects.pods.get(entry.uid)
      if (wanted === undefined) void this.#retire(entry, 0)
      else if (entry.runner.phase === 'lost') this.#replaceLost(entry)
      else if (isDeleting(wanted.raw)) void this.#retire(entry, graceMsOf(wanted.raw))
      else this.#follow(entry, wanted, namespaces)
    }
    for (const wanted of this.#objects.pods.values()) {
      if (this.#entries.has(wanted.uid) || isMirror(wanted.raw) || isFinished(wanted.raw)) continue
      const reason = this.#start(wanted, namespaces)
      if (reason === undefined) continue
      waiting++
      if (reason !== '') blocked.push(blockedPod(wanted.raw, reason))
    }
    this.#blocked = blocked
    this.#waiting = waiting
    this.#publish()
    this.#settings.changed()
  }

  /** Stops every pod at once. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#objects.close()
    await this.#settings.serviceProxy.close()
    await Promise.all([...this.#entries.values()].map((entry) => entry.runner.stop(0)))
    await Promise.all(this.#leaving)
  }

  /** @returns undefined when it runs or goes; why it does not otherwise, empty when that will pass by itself */
  #start({ uid, raw, pod, problem }: ApiPod, namespaces: readonly Namespace[]): string | undefined {
    const nodeName = nodeOf(raw)
    if (nodeName === '') return unschedulableReason(raw)
    const node = this.#settings.nodes.get(nodeName)
    if (node === undefined) return ''
    if (isDeleting(raw)) {
      void this.#remove(uid, raw)
      return undefined
    }
    if (pod === undefined) {
      const reason = problem.includes('.command is missing') ? 'ErrImageNeverPull' : 'CreateContainerConfigError'
      this.#tellStuck(raw, node, { reason, message: problem })
      return problem
    }
    try {
      this.#place({ uid, raw, pod }, node, namespaces)
      return undefined
    } catch (error) {
      const message = reasonOf(error)
      this.#tellStuck(raw, node, { reason: 'CreateContainerConfigError', message })
      return message
    }
  }

  #tellStuck(
    raw: ApiObject,
    { ips }: PodNode,
    why: { readonly reason: 'ErrImageNeverPull' | 'CreateContainerConfigError'; readonly message: string },
  ): void {
    const startedAt = raw.metadata.creationTimestamp ?? this.#now()
    const isNews = this.#status.set(raw, stuckStatus(raw, { ...why, hostIps: ips, startedAt }, this.#now()))
    if (isNews) void this.#events.record(raw, { type: 'Warning', ...why })
  }

  #place(
    wanted: { readonly uid: string; readonly raw: ApiObject; readonly pod: Pod },
    { machine, ips: hostIps }: PodNode,
    namespaces: readonly Namespace[],
  ): void {
    const { maker, logger, capturing } = this.#settings
    const { uid, raw, pod } = wanted
    const { namespace, name } = pod.metadata
    const node = pod.spec.nodeName
    const addresses = machine.network.allocate()
    let made: MadePod
    try {
      made = maker.make(raw, { podIps: addresses.ips, hostIps })
    } catch (error) {
      machine.network.release(addresses)
      throw error
    }
    const captured = async (of: string, signal: AbortSignal): Promise<void> => {
      while (entry.isEnrolled) {
        // Leaving the mesh while waiting ends the wait as well.
        const either = AbortSignal.any([signal, entry.enrolment.signal])
        try {
          return await capturing(node, of, either)
        } catch (error) {
          if (signal.aborted) throw error
        }
      }
    }
    const hosts = hostsFile({ namespace, name, addresses: addresses.ips }, this.#namedServices())
    const runner = new PodRunner(
      { namespace, name, uid, ...made, addresses, hosts, resolv: resolvFile(namespace) },
      { ...machine, captured },
      () => this.notice(),
    )
    const entry: Entry = {
      uid,
      runner,
      node,
      startedAt: this.#now(),
      starts: new Map(),
      raw,
      pod,
      isLeaving: false,
      enrolment: new AbortController(),
      isEnrolled: isEnrolled(pod, namespaces),
    }
    this.#entries.set(uid, entry)
    logger.info('pod starts', { pod: objectKey(pod), node, uid })
  }

  /** Stops it, then lets its object go. Never rejects; resolves when both are gone. */
  #retire(entry: Entry, graceMs: number): Promise<void> {
    const { logger } = this.#settings
    const { uid, pod, raw, runner } = entry
    entry.isLeaving = true
    logger.info('pod leaves', { pod: objectKey(pod), uid })
    const gone = runner
      .stop(graceMs)
      .catch((error: unknown) => logger.error('pod could not be stopped cleanly', { uid, reason: reasonOf(error) }))
      .then(async () => {
        this.#entries.delete(uid)
        this.#leaving.delete(gone)
        if (this.#objects.pods.has(uid)) await this.#remove(uid, raw)
        this.notice()
      })
    this.#leaving.add(gone)
    return gone
  }

  /** Namespaces that were ended cannot be joined again: the pod goes, and one that nobody manages comes anew. */
  #replaceLost(entry: Entry): void {
    const { access, logger } = this.#settings
    const { raw } = entry
    const gone = this.#retire(entry, 0)
    if (isManaged(raw)) return
    gone
      .then(() => (this.#isClosed ? undefined : access.create(anew(raw), { fieldManager: 'kubelet' })))
      .catch((error: unknown) => logger.error('lost pod cannot be replaced', { reason: reasonOf(error) }))
  }

  /** Takes the pod's object out of the API, now that nothing of it runs. Never rejects. */
  async #remove(uid: string, raw: ApiObject): Promise<void> {
    if (this.#removing.has(uid) || this.#isClosed) return
    const { access, logger } = this.#settings
    this.#removing.add(uid)
    try {
      await access.delete(podRef(raw), { gracePeriodSeconds: 0, preconditions: { uid } })
    } catch (error) {
      if (!isOver(error)) logger.error('pod cannot be taken out of the API', { uid, reason: reasonOf(error) })
    } finally {
      this.#removing.delete(uid)
    }
  }

  /** Labels and annotations change in place, and enrolment with them. */
  #follow(entry: Entry, wanted: ApiPod, namespaces: readonly Namespace[]): void {
    entry.raw = wanted.raw
    if (wanted.pod === undefined) return
    entry.pod = wanted.pod
    const enrolled = isEnrolled(wanted.pod, namespaces)
    if (enrolled === entry.isEnrolled) return
    entry.isEnrolled = enrolled
    entry.enrolment.abort(new Error('enrolment changed'))
    entry.enrolment = new AbortController()
  }

  #publish(): void {
    const { serviceProxy } = this.#settings
    this.#status.retain(this.#objects.pods)
    for (const entry of this.#entries.values()) this.#tellRunning(entry)
    serviceProxy.update(proxiedPorts(this.#objects.list('Service'), this.#objects.list('EndpointSlice')))
    const services = this.#namedServices()
    for (const { runner } of this.#entries.values()) {
      const { namespace, name, addresses } = runner.order
      runner.writeHosts(hostsFile({ namespace, name, addresses: addresses.ips }, services))
    }
  }

  #tellRunning(entry: Entry): void {
    const { uid, raw, runner, node, startedAt, isLeaving } = entry
    if (!this.#objects.pods.has(uid) || runner.phase === 'stopped') return
    const now = this.#now()
    const containers = runner.containers.map(({ name, pid, isReady, isBackingOff, restarts, reason }) => {
      if (pid !== undefined && entry.starts.get(name)?.pid !== pid) entry.starts.set(name, { pid, at: now })
      return { name, pid, isReady, isBackingOff, restarts, reason, startedAt: entry.starts.get(name)?.at }
    })
    const facts = {
      uid,
      hostIps: this.#settings.nodes.get(node)?.ips ?? [],
      ips: runner.netnsPath !== undefined && runner.phase !== 'pending' ? runner.order.addresses.ips : [],
      isRunning: runner.phase === 'running' || runner.phase === 'stopping',
      isReady: runner.isReady && !isLeaving,
      startedAt,
      reason: runner.reason,
      containers,
    }
    this.#status.set(raw, runningStatus(raw, facts, now))
  }

  #namedServices(): Parameters<typeof hostsFile>[1] {
    return this.services.map(({ service, ips, endpoints }) => ({
      namespace: service.metadata.namespace,
      name: service.metadata.name,
      // A headless service is known by its pods' addresses.
      addresses:
        ips.length > 0 ? ips : endpoints.flatMap(({ runner }) => (runner.isReady ? runner.order.addresses.ips : [])),
    }))
  }

  #now(): string {
    return `${new Date(this.#settings.clock.nowMs()).toISOString().slice(0, 19)}Z`
  }
}

function selects(service: Service, pod: Pod): boolean {
  const selector = Object.entries(service.spec.selector)
  return (
    selector.length > 0 &&
    service.metadata.namespace === pod.metadata.namespace &&
    selector.every(([key, value]) => pod.metadata.labels[key] === value)
  )
}
