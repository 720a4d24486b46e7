import { Backoff, type Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import type { WorkloadInfo, ZdsPod, ZdsServer } from '#shared/zds'
import type { PodMark } from '../marks/index.ts'
import { claim, type NetnsResolver } from '../netns/index.ts'
import type { EnrolledPod } from '../pods/index.ts'
import { applyRedirect, removeRedirect } from '../redirect/index.ts'
import { Wake } from './wake.ts'

/**
 * ```
 * waiting-for-namespace ─found, redirected─▶ waiting-for-tunnel ─acknowledged─▶ captured
 *         ▲  └───────── any step fails: failed, again after a while ──────────────┘ │
 *         └──────────────── the namespace is gone, or another one ──────────────────┘
 * any ─no longer wanted─▶ leaving ─▶ (forgotten)
 * ```
 * From `waiting-for-tunnel` on the redirect is in place, and without a tunnel the pod has no network: it fails closed.
 */
export type CaptureState = 'waiting-for-namespace' | 'waiting-for-tunnel' | 'captured' | 'failed' | 'leaving'

/** A pod as dumps show it. */
export interface PodStatus {
  readonly uid: string
  readonly info: WorkloadInfo
  readonly state: CaptureState
  /** Why it is not captured; empty when it is. */
  readonly reason: string
  /** How often something of its redirect had to be put back. */
  readonly repairs: number
}

export interface CaptureOptions {
  readonly resolver: NetnsResolver
  readonly clock: Clock
  readonly logger: Logger
  /** Undefined until the socket is open. */
  readonly tunnels: () => Pick<ZdsServer, 'add' | 'delete'> | undefined
  /** Between two looks at a captured pod's redirect. */
  readonly verifyIntervalMs: number
  /** A namespace that is not there after this counts as a failure; it is still waited for. */
  readonly netnsTimeoutMs: number
  readonly onRepair: () => void
  readonly onFailure: () => void
  /** For others to see how far the pod is captured. */
  readonly onMark: (mark: PodMark) => void
  /** The pod is let go; a new capture may begin. */
  readonly onGone: () => void
}

/** Istio's informer path tries again after 5 ms to 5 s. */
const RETRY = { firstMs: 20, maxMs: 5000, jitter: 0.1 }

/**
 * Keeps one pod captured: a loop that looks at what is wanted and at what is, and makes the next difference disappear.
 * Every step may be repeated, so a failure, a wake and a periodic look are all the same: look again.
 */
export class PodCapture {
  /** Settles when the first look is over, however it ended. */
  readonly firstLook: Promise<void>
  readonly #done: Promise<void>
  readonly #options: CaptureOptions
  readonly #backoff: Backoff
  readonly #wake: Wake
  #pod: EnrolledPod
  #isWanted = true
  #hasEnded = false
  #isStopped = false
  #netns: Netns | undefined
  /** The newest tunnel has acknowledged this namespace. */
  #isTold = false
  /** The plan that the redirect in place was made for; another one changes it, which is no repair. */
  #redirectedAs: EnrolledPod | undefined
  #state: CaptureState = 'waiting-for-namespace'
  #reason = ''
  #mark: PodMark | undefined
  #repairs = 0
  #waitsSinceMs: number
  #looked: () => void = () => {}

  constructor(pod: EnrolledPod, options: CaptureOptions) {
    this.#pod = pod
    this.#options = options
    this.#backoff = new Backoff(options.clock, RETRY)
    this.#wake = new Wake(options.clock)
    this.#waitsSinceMs = options.clock.monotonicMs()
    this.firstLook = new Promise((resolve) => {
      this.#looked = resolve
    })
    this.#done = this.#run()
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  get status(): PodStatus {
    const { uid, info } = this.#pod
    return { uid, info, state: this.#state, reason: this.#reason, repairs: this.#repairs }
  }

  /** For the snapshot that a tunnel gets: without a redirected namespace the tunnel is only told to keep what it has. */
  get zdsPod(): ZdsPod {
    const { uid, info } = this.#pod
    return { uid, info, netns: this.#redirectedAs === undefined ? undefined : this.#netns }
  }

  /** The pod is wanted (again), maybe in another mode. */
  want(pod: EnrolledPod): void {
    this.#pod = pod
    this.#isWanted = true
    this.#hasEnded = false
    this.look()
  }

  /** @param hasEnded its processes are gone: nothing is undone inside, so that its last packets stay captured */
  leave(hasEnded: boolean): void {
    this.#isWanted = false
    this.#hasEnded ||= hasEnded
    this.look()
  }

  /** Something may have changed: the namespace, the tunnels. */
  look(): void {
    this.#backoff.reset()
    this.#wake.wake()
  }

  /** A tunnel has connected that may not serve this pod yet. */
  tellAgain(): void {
    this.#isTold = false
    this.look()
  }

  /** Ends the loop and lets go of the namespace; the redirect stays. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.look()
    await this.#done
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const waitMs = await this.#step()
      this.#looked()
      if (waitMs === undefined) break
      await this.#wake.sleep(waitMs)
    }
    this.#netns?.close()
    this.#netns = undefined
  }

  /** @returns how long to wait before the next look; undefined = the pod is let go */
  async #step(): Promise<number | undefined> {
    try {
      if (!this.#isWanted) return await this.#letGo()
      const waitMs = await this.#capture()
      this.#backoff.reset()
      return waitMs
    } catch (error) {
      return this.#failed(error)
    }
  }

  async #capture(): Promise<number> {
    const { verifyIntervalMs, tunnels } = this.#options
    const before = this.#hold()
    const netns = this.#netns
    try {
      // Before anything is waited for: its first packets may be on their way.
      if (netns !== undefined) this.#redirect(netns)
    } finally {
      if (before !== undefined) {
        await tunnels()?.delete(this.#pod.uid)
        before.close()
      }
    }
    if (netns === undefined) return this.#waitForNamespace()
    if (!this.#isTold) {
      const server = tunnels()
      if (server === undefined) throw new MeshError('ZDS_UNAVAILABLE', 'tunnels are not served yet')
      await server.add({ uid: this.#pod.uid, info: this.#pod.info, netns })
      this.#isTold = true
    }
    this.#enter('captured', '')
    return verifyIntervalMs
  }

  /**
   * Takes over the namespace that is there now, when it is the pod's own.
   * @returns another one that the pod had before, to be let go once the new one is redirected
   * @throws MeshError `NOT_FOUND` when it is another's; what was held stays held
   */
  #hold(): Netns | undefined {
    const before = this.#netns
    const found = this.#options.resolver.find(this.#pod)
    if (found?.id === before?.id) {
      found?.close()
      return undefined
    }
    const next = claim(found, this.#pod.ips)
    if (next === undefined && before === undefined) return undefined
    this.#netns = next
    this.#redirectedAs = undefined
    this.#isTold = false
    this.#waitsSinceMs = this.#options.clock.monotonicMs()
    return before
  }

  #waitForNamespace(): number {
    const { clock, netnsTimeoutMs } = this.#options
    const waitedMs = clock.monotonicMs() - this.#waitsSinceMs
    const lacking = this.#pod.ips.length === 0 ? 'address' : 'network namespace'
    if (waitedMs >= netnsTimeoutMs) {
      throw new MeshError('NOT_FOUND', `the pod has no ${lacking} after ${netnsTimeoutMs / 1000} s`)
    }
    this.#enter('waiting-for-namespace', `its ${lacking} is not there yet`)
    return netnsTimeoutMs - waitedMs
  }

  #redirect(netns: Netns): void {
    const mended = applyRedirect(netns, this.#pod)
    if (mended.length > 0 && this.#redirectedAs === this.#pod) {
      this.#repairs++
      this.#options.onRepair()
      this.#options.logger.warn('redirect of a pod was not in place and is again', {
        ...this.#names(),
        found: mended.join('; '),
      })
    }
    this.#redirectedAs = this.#pod
  }

  /** First out of the redirect, then off the tunnels' lists: in between nothing of the pod goes astray. */
  async #letGo(): Promise<number | undefined> {
    const { tunnels, resolver, logger } = this.#options
    this.#enter('leaving', '')
    if (!this.#hasEnded) {
      this.#netns ??= claim(resolver.find(this.#pod), this.#pod.ips)
      if (this.#netns !== undefined) removeRedirect(this.#netns)
    }
    this.#redirectedAs = undefined
    this.#isTold = false
    await tunnels()?.delete(this.#pod.uid)
    // It may have been wanted again while the tunnels were told.
    if (this.#isWanted) return 0
    logger.info('pod is left', this.#names())
    // Last: a pod that says nothing is of no interest to an agent that starts.
    if (!this.#hasEnded) this.#options.onMark('none')
    this.#options.onGone()
    return undefined
  }

  #failed(error: unknown): number {
    const waitMs = this.#backoff.next()
    const reason = reasonOf(error)
    if (error instanceof MeshError && error.code === 'ZDS_UNAVAILABLE') {
      this.#enter('waiting-for-tunnel', reason)
      return waitMs
    }
    this.#options.onFailure()
    // Once for each reason, not for each try.
    if (reason !== this.#reason) this.#options.logger.error('pod cannot be captured', { ...this.#names(), reason })
    this.#enter('failed', reason)
    return waitMs
  }

  #enter(state: CaptureState, reason: string): void {
    if (state !== this.#state && state !== 'failed')
      this.#options.logger.info(`pod: ${state}`, { ...this.#names(), reason: reason || undefined })
    this.#state = state
    this.#reason = reason
    if (state === 'captured') this.#tellMark('enabled')
    // A tunnel that is being exchanged is back soon: what has been captured stays so for others.
    else if (state === 'waiting-for-tunnel' && this.#mark === undefined) this.#tellMark('pending')
  }

  #tellMark(mark: PodMark): void {
    if (mark === this.#mark) return
    this.#mark = mark
    this.#options.onMark(mark)
  }

  #names(): { readonly pod: string; readonly uid: string } {
    return { pod: `${this.#pod.info.namespace}/${this.#pod.info.name}`, uid: this.#pod.uid }
  }
}
