import type { Clock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import { serveZds, type ZdsServer } from '#shared/zds'
import type { PodMark } from '../marks/index.ts'
import { claim, type NetnsResolver } from '../netns/index.ts'
import type { EnrolledPod, PodPlan } from '../pods/index.ts'
import { isRedirected, removeRedirect } from '../redirect/index.ts'
import { PodCapture, type PodStatus } from './pod-capture.ts'

export interface HandoverOptions {
  /** Where tunnels connect. */
  readonly socketPath: string
  readonly resolver: NetnsResolver
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
  readonly verifyIntervalMs: number
  readonly netnsTimeoutMs: number
  /** Told how far a pod is captured whenever that changes for others. */
  readonly onMark: (uid: string, mark: PodMark) => void
}

/**
 * Brings the pods that belong to the mesh under the tunnels' care: redirects each in its namespace, hands it over, and
 * lets it go when it no longer belongs. Pods are independent: one that fails is tried again and delays no other.
 *
 * The redirect comes before the hand-over (istio-control-plane a.2): a pod never speaks beside the mesh, and until a
 * tunnel has acknowledged it has no network.
 */
export class Handover implements Closer {
  readonly #options: HandoverOptions
  readonly #captures = new Map<string, PodCapture>()
  readonly #metrics: ReturnType<typeof registerMetrics>
  readonly #unsubscribe: () => void
  #server: ZdsServer | undefined
  #isClosed = false

  constructor(options: HandoverOptions) {
    this.#options = options
    this.#metrics = registerMetrics(options.metrics)
    options.metrics.onCollect(() => this.#collect())
    this.#unsubscribe = options.resolver.onChanged((uid) => this.#captures.get(uid)?.look())
  }

  /** Tunnels that are connected. */
  get tunnelCount(): number {
    return this.#server?.tunnelCount ?? 0
  }

  /** Every pod that is captured, shall be, or is being left; sorted by namespace and name. */
  get pods(): readonly PodStatus[] {
    const key = ({ info }: PodStatus): string => `${info.namespace}/${info.name}`
    return [...this.#captures.values()].map(({ status }) => status).sort((a, b) => (key(a) < key(b) ? -1 : 1))
  }

  /** A pod's plan, new or changed. */
  plan(plan: PodPlan): void {
    if (this.#isClosed) return
    if (plan.kind === 'capture') {
      this.#want(plan.pod)
      return
    }
    const capture = this.#captures.get(plan.uid)
    if (capture !== undefined) capture.leave(plan.hasEnded)
    else if (!plan.hasEnded) this.#cleanLeftover(plan.uid, plan.ips)
  }

  /**
   * Opens the socket for tunnels, once every pod that is planned by now has been looked at: a tunnel drops what its first
   * snapshot does not name.
   * @throws MeshError `SYSCALL_FAILED`
   */
  async open(): Promise<void> {
    const { socketPath, clock, logger } = this.#options
    await Promise.all([...this.#captures.values()].map(({ firstLook }) => firstLook))
    const pods = [...this.#captures.values()].filter(({ isWanted }) => isWanted).map(({ zdsPod }) => zdsPod)
    this.#server = serveZds({ path: socketPath, pods, clock, logger, onTunnels: () => this.#tellAgain() })
    for (const capture of this.#captures.values()) capture.look()
  }

  /** Leaves every redirect in place: captured pods stay captured while this program is exchanged. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#unsubscribe()
    await this.#server?.close()
    await Promise.all([...this.#captures.values()].map((capture) => capture.stop()))
  }

  #want(pod: EnrolledPod): void {
    const known = this.#captures.get(pod.uid)
    if (known !== undefined) {
      known.want(pod)
      return
    }
    const { resolver, clock, logger, verifyIntervalMs, netnsTimeoutMs } = this.#options
    const capture = new PodCapture(pod, {
      resolver,
      clock,
      logger,
      verifyIntervalMs,
      netnsTimeoutMs,
      tunnels: () => this.#server,
      onRepair: () => this.#metrics.repairs.value++,
      onFailure: () => this.#metrics.failures.value++,
      onMark: (mark) => this.#options.onMark(pod.uid, mark),
      onGone: () => {
        this.#captures.delete(pod.uid)
        resolver.forget(pod.uid)
      },
    })
    this.#captures.set(pod.uid, capture)
  }

  /** A pod left the mesh while no agent was there to see it. */
  #cleanLeftover(uid: string, ips: readonly string[]): void {
    const { resolver, logger } = this.#options
    try {
      const netns = claim(resolver.find({ uid, ips }), ips)
      try {
        if (netns !== undefined && isRedirected(netns)) {
          removeRedirect(netns)
          logger.info('pod that no longer belongs to the mesh is left', { uid })
        }
      } finally {
        netns?.close()
      }
      this.#options.onMark(uid, 'none')
    } catch (error) {
      this.#metrics.failures.value++
      logger.error('pod that does not belong to the mesh cannot be looked at', { uid, reason: reasonOf(error) })
    } finally {
      resolver.forget(uid)
    }
  }

  /**
   * Whichever tunnel is the newest now is told every pod once more: one that has just connected may not serve a pod of its
   * snapshot yet, and an older one never heard of the pods that came after the newer one.
   */
  #tellAgain(): void {
    for (const capture of this.#captures.values()) capture.tellAgain()
  }

  #collect(): void {
    this.#metrics.tunnels.value = this.tunnelCount
    const states = { 'waiting-for-namespace': 0, 'waiting-for-tunnel': 0, captured: 0, failed: 0, leaving: 0 }
    for (const { status } of this.#captures.values()) states[status.state]++
    for (const [state, count] of Object.entries(states)) this.#metrics.pods.with(state).value = count
  }
}

function registerMetrics(metrics: Metrics) {
  return {
    tunnels: metrics.gauge('ztunnel_connected', 'Tunnels that are connected'),
    pods: metrics.gauges('ambit_node_agent_pods', 'Pods of this node that belong to the mesh, by state', ['state']),
    repairs: metrics.counter('ambit_node_agent_repairs', 'Redirects that had to be put back'),
    failures: metrics.counter('ambit_node_agent_failures', 'Tries to capture or leave a pod that failed'),
  }
}
