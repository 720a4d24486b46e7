import { mkdirSync } from 'node:fs'
import type { Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type Namespace, objectKey, type Pod } from '#shared/k8s'
import type { Closer } from '#shared/lifecycle'
import type { ApiObject } from '../apiserver/index.ts'
import { EventRecorder } from '../controllers/index.ts'
import { type PodEvent, PodRunner } from '../kubelet/index.ts'
import { removeLeftoverLogs, removePodLogs } from '../logs/index.ts'
import type { PodAddresses } from '../network/index.ts'
import { ApiObjects, type ApiPod, hostsFile, resolvFile } from '../objects/index.ts'
import { earlierRuns, earlierStartMs } from './earlier-life.ts'
import { Enrolment, isEnrolled } from './enrolment.ts'
import type { MadePod } from './pod-maker.ts'
import {
  anew,
  blockedPod,
  graceMsOf,
  isDeleting,
  isFinished,
  isManaged,
  isMirror,
  nodeOf,
  timeText,
  unschedulableReason,
} from './pod-object.ts'
import { runningStatus, stuckStatus } from './pod-status.ts'
import { isOver, podRef, StatusWriter } from './status-writer.ts'
import type { BlockedPod, ClusterSettings, PlacedPod, PodNode } from './types.ts'

/** Changes that come within this time are worked off together. */
const QUIET_MS = 2

interface Entry {
  readonly uid: string
  readonly runner: PodRunner
  readonly node: string
  readonly startedAt: string
  readonly enrolment: Enrolment
  raw: ApiObject
  pod: Pod
  isLeaving: boolean
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
    mkdirSync(settings.podLogsDir, { recursive: true, mode: 0o700 })
    removeLeftoverLogs(settings.podLogsDir, new Set(this.#objects.pods.keys()))
  }

  get pods(): readonly PlacedPod[] {
    return [...this.#entries.values()].map(({ pod, node, runner, enrolment, isLeaving }) => ({
      key: objectKey(pod),
      pod,
      node,
      runner,
      isEnrolled: enrolment.isEnrolled,
      isLeaving,
    }))
  }

  get blocked(): readonly BlockedPod[] {
    return this.#blocked
  }

  /** Every pod has a place and is ready or has ended, and nothing is on its way out. */
  get isReady(): boolean {
    if (this.#waiting > 0) return false
    return [...this.#entries.values()].every(
      ({ isLeaving, runner }) => !isLeaving && (runner.isReady || runner.phase === 'ended'),
    )
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
      const wanted = this.#objects.pods.get(entry.uid)
      // Somebody may have lost patience with a pod that leaves already.
      const graceMs = wanted === undefined ? 0 : isDeleting(wanted.raw) ? graceMsOf(wanted.raw) : undefined
      if (entry.isLeaving) {
        if (graceMs !== undefined) void entry.runner.stop(graceMs)
      } else if (graceMs !== undefined) void this.#retire(entry, graceMs)
      else if (entry.runner.phase === 'lost') this.#replaceLost(entry)
      else if (wanted !== undefined) this.#follow(entry, wanted, namespaces)
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
    const { clock, nameServers, logger, capturing } = this.#settings
    const { uid, raw, pod } = wanted
    const { namespace, name } = pod.metadata
    const node = pod.spec.nodeName
    const enrolment = new Enrolment(isEnrolled(pod, namespaces))
    const nowMs = clock.nowMs()
    const startedAtMs = earlierStartMs(raw) ?? nowMs
    const addresses = machine.network.allocate()
    const made = this.#make(raw, addresses, { machine, ips: hostIps })
    const order = {
      namespace,
      name,
      uid,
      ...made,
      addresses,
      hosts: hostsFile(raw, addresses.ips),
      resolv: resolvFile(raw, nameServers),
      startedAtMs,
      earlier: earlierRuns(raw, nowMs),
    }
    const captured = (of: string, signal: AbortSignal): Promise<void> =>
      enrolment.captured((either) => capturing(node, of, either), signal)
    const tell = (event: PodEvent): void => void this.#events.record(raw, event)
    const runner = new PodRunner(order, { ...machine, captured }, { changed: () => this.notice(), tell })
    const startedAt = timeText(startedAtMs)
    const entry: Entry = { uid, runner, node, startedAt, enrolment, raw, pod, isLeaving: false }
    this.#entries.set(uid, entry)
    logger.info('pod starts', { pod: objectKey(pod), node, uid })
  }

  /** @throws what the maker does; the addresses are given back then */
  #make(raw: ApiObject, addresses: PodAddresses, { machine, ips: hostIps }: PodNode): MadePod {
    try {
      return this.#settings.maker.make(raw, { podIps: addresses.ips, hostIps })
    } catch (error) {
      machine.network.release(addresses)
      throw error
    }
  }

  /** Stops it, then lets its object go. Never rejects; resolves when both are gone. */
  #retire(entry: Entry, graceMs: number): Promise<void> {
    const { logger, podLogsDir } = this.#settings
    const { uid, pod, raw, runner } = entry
    entry.isLeaving = true
    logger.info('pod leaves', { pod: objectKey(pod), uid })
    const gone = runner
      .stop(graceMs)
      .catch((error: unknown) => logger.error('pod could not be stopped cleanly', { uid, reason: reasonOf(error) }))
      .then(async () => {
        // How it ended, for those who keep the object for a while.
        this.#tellRunning(entry)
        this.#entries.delete(uid)
        this.#leaving.delete(gone)
        if (this.#objects.pods.has(uid)) await this.#remove(uid, raw)
        removePodLogs(podLogsDir, { ...pod.metadata, uid })
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
    entry.enrolment.set(isEnrolled(wanted.pod, namespaces))
  }

  #publish(): void {
    this.#status.retain(this.#objects.pods)
    for (const entry of this.#entries.values()) this.#tellRunning(entry)
  }

  #tellRunning({ uid, raw, runner, node, startedAt, isLeaving }: Entry): void {
    if (!this.#objects.pods.has(uid)) return
    const { phase, reason, end, isInitialized, initContainers, containers } = runner
    const isLinked = runner.netnsPath !== undefined && phase !== 'pending'
    const facts = {
      uid,
      hostIps: this.#settings.nodes.get(node)?.ips ?? [],
      ips: isLinked ? runner.order.addresses.ips : [],
      isLinked,
      isInitialized,
      isLeaving,
      startedAt,
      reason,
      end,
      initContainers,
      containers,
    }
    this.#status.set(raw, runningStatus(raw, facts, this.#now()))
  }

  #now(): string {
    return timeText(this.#settings.clock.nowMs())
  }
}
