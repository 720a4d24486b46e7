import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { Drain, type Drainable, type DrainOrder, IMMEDIATE_DRAIN, type Readiness } from '#shared/lifecycle'
import type { Netns } from '#shared/sys'
import type { Logger, Metrics } from '#shared/telemetry'
import type { WorkloadInfo, ZdsHandler } from '#shared/zds'
import { startFailure } from './pod-listeners.ts'
import type { LocalPod, PodWork } from './types.ts'

/** The readiness task of the node agent's side, by Istio's name. */
const READINESS_TASK = 'workload proxy manager'

const RETRY_MS = 5000

export interface PodRegistryOptions {
  readonly clock: Clock
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly log: Logger
  /** Opens a pod's listeners. @throws whatever keeps them from opening */
  readonly start: (pod: LocalPod) => Drainable
}

/** A pod as dumps show it. */
export interface PodStatus {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly state: 'Up' | 'Pending'
}

/** `Pending` pods are tried again; `Up` ones have their listeners open. */
type PodEntry =
  | { readonly state: 'Up'; readonly pod: LocalPod; readonly listeners: Drainable }
  | { readonly state: 'Pending'; readonly pod: LocalPod }

/**
 * Which pods of the node are served: the node agent says so over ZDS, and this opens and closes their listeners
 * (hbone-and-ztunnel g.1). Between two connections of the agent everything goes on as it was; a new snapshot then
 * names who stays.
 */
export class PodRegistry implements ZdsHandler, Drainable {
  readonly #options: PodRegistryOptions
  readonly #entries = new Map<string, PodEntry>()
  /** Uids that the running snapshot has named; undefined once it is complete. */
  #snapshot: Set<string> | undefined = new Set()
  #retry: Timer | undefined
  #isDraining = false
  readonly #endings = new Set<Promise<void>>()
  readonly #metrics: ReturnType<typeof registerMetrics>

  constructor(options: PodRegistryOptions) {
    this.#options = options
    this.#metrics = registerMetrics(options.metrics)
    options.readiness.add(READINESS_TASK)
  }

  async add(uid: string, info: WorkloadInfo, netns: Netns): Promise<void> {
    this.#snapshot?.add(uid)
    const known = this.#entries.get(uid)
    if (known?.pod.netns.id === netns.id && known.state === 'Up') {
      netns.close()
      this.#judge()
      return
    }
    if (known !== undefined) this.#end(uid, known)
    if (this.#isDraining) {
      netns.close()
      throw startFailure(new MeshError('ZDS_PROTOCOL_ERROR', 'this tunnel is draining'))
    }
    const failure = this.#start(this.#podOf(uid, info, netns))
    if (failure !== undefined) throw startFailure(failure)
    this.#judge()
  }

  /** @throws MeshError `ZDS_PROTOCOL_ERROR` outside a snapshot */
  async keep(uid: string): Promise<void> {
    if (this.#snapshot === undefined) throw protocolError('keep after the snapshot')
    this.#snapshot.add(uid)
    this.#judge()
  }

  async delete(uid: string): Promise<void> {
    if (this.#snapshot === undefined) {
      const entry = this.#entries.get(uid)
      if (entry !== undefined) this.#end(uid, entry)
    } else {
      // The rest is done when the snapshot is complete.
      this.#snapshot.delete(uid)
      const entry = this.#entries.get(uid)
      if (entry?.state === 'Pending') this.#end(uid, entry)
    }
    this.#judge()
  }

  /** @throws MeshError `ZDS_PROTOCOL_ERROR` when there was one already */
  async snapshotSent(): Promise<void> {
    const named = this.#snapshot
    if (named === undefined) throw protocolError('a second snapshot')
    this.#snapshot = undefined
    for (const [uid, entry] of [...this.#entries]) if (!named.has(uid)) this.#end(uid, entry)
    this.#judge()
  }

  disconnected(reason: string): void {
    this.#options.log.warn('node agent is gone, running pods stay', { reason })
    this.#snapshot = new Set()
    for (const [uid, entry] of [...this.#entries]) if (entry.state === 'Pending') this.#end(uid, entry)
    this.#options.readiness.add(READINESS_TASK)
  }

  /** Every pod, in the order of their coming. */
  *pods(): Iterable<PodStatus> {
    for (const { pod, state } of this.#entries.values()) yield { uid: pod.uid, info: pod.info, state }
  }

  /** Served ones of that name: two while one takes the other's place. */
  *named(namespace: string, name: string): Iterable<LocalPod> {
    for (const entry of this.#entries.values()) {
      const { info } = entry.pod
      if (entry.state === 'Up' && info.name === name && info.namespace === namespace) yield entry.pod
    }
  }

  /** The served pod of that uid. */
  served(uid: string): LocalPod | undefined {
    const entry = this.#entries.get(uid)
    return entry?.state === 'Up' ? entry.pod : undefined
  }

  async drain(order: DrainOrder): Promise<void> {
    this.#isDraining = true
    this.#retry?.cancel()
    for (const [uid, entry] of [...this.#entries]) this.#end(uid, entry, order)
    await Promise.all(this.#endings)
  }

  #podOf(uid: string, info: WorkloadInfo, netns: Netns): LocalPod {
    const cutReason = (): 'drain' | 'pod-removed' => (this.#isDraining ? 'drain' : 'pod-removed')
    const work = new Drain<PodWork>(
      this.#options.clock,
      (piece) => piece.cut(cutReason()),
      (piece, order) => piece.drain?.(order),
    )
    return { uid, info, netns, work, belongings: [] }
  }

  /** @returns why it could not be started; the pod is then pending */
  #start(pod: LocalPod): unknown {
    try {
      const listeners = this.#options.start(pod)
      this.#entries.set(pod.uid, { state: 'Up', pod, listeners })
      this.#metrics.started.value++
      this.#options.log.info('pod is served', { pod: `${pod.info.namespace}/${pod.info.name}`, uid: pod.uid })
      return undefined
    } catch (error) {
      this.#entries.set(pod.uid, { state: 'Pending', pod })
      this.#options.log.error('pod cannot be served yet', { uid: pod.uid, error: reasonOf(error) })
      this.#retry ??= this.#options.clock.setTimer(RETRY_MS, () => this.#retryPending())
      return error
    } finally {
      this.#count()
    }
  }

  #retryPending(): void {
    this.#retry = undefined
    for (const entry of [...this.#entries.values()]) if (entry.state === 'Pending') this.#start(entry.pod)
    this.#judge()
  }

  /** Takes the pod off the list; its namespace is let go when nothing of it is left. */
  #end(uid: string, entry: PodEntry, order: DrainOrder = IMMEDIATE_DRAIN): void {
    this.#entries.delete(uid)
    this.#count()
    if (entry.state === 'Pending') {
      entry.pod.netns.close()
      return
    }
    this.#metrics.stopped.value++
    const { belongings, netns } = entry.pod
    const ending = entry.listeners
      .drain(order)
      .then(() => Promise.all(belongings.map((closer) => closer.close())))
      .catch((error: unknown) => this.#options.log.error('pod did not end well', { uid, error: reasonOf(error) }))
      .then(() => {
        netns.close()
        this.#endings.delete(ending)
        this.#options.log.info('pod is left', { uid })
      })
    this.#endings.add(ending)
  }

  /** Ready when a snapshot is complete and nothing is pending; asked after each message and each retry. */
  #judge(): void {
    const isPending = [...this.#entries.values()].some(({ state }) => state === 'Pending')
    if (this.#snapshot === undefined && !isPending) this.#options.readiness.done(READINESS_TASK)
    else this.#options.readiness.add(READINESS_TASK)
  }

  #count(): void {
    let active = 0
    for (const { state } of this.#entries.values()) if (state === 'Up') active++
    this.#metrics.active.value = active
    this.#metrics.pending.value = this.#entries.size - active
  }
}

function registerMetrics(metrics: Metrics) {
  return {
    active: metrics.gauge(
      'workload_manager_active_proxy_count',
      'The total number current workloads with active proxies',
    ),
    pending: metrics.gauge(
      'workload_manager_pending_proxy_count',
      'The total number current workloads with pending proxies',
    ),
    started: metrics.counter('workload_manager_proxies_started', 'The total number of proxies that were started'),
    stopped: metrics.counter('workload_manager_proxies_stopped', 'The total number of proxies that were stopped'),
  }
}

function protocolError(what: string): MeshError {
  return new MeshError('ZDS_PROTOCOL_ERROR', `failure to process message : ${what}`)
}
