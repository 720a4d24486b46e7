import type { Clock, Timer } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Netns } from '#shared/sys'
import type { Logger } from '#shared/telemetry'
import { listProcesses, openNetnsOf, openProcesses, type Processes, type ProcessList } from './processes.ts'
import type { NetnsResolver, SoughtPod } from './resolver.ts'
import type { FindWay, NetnsIndex } from './ways.ts'

/** Nothing tells of new namespaces, so that they are looked for this often. */
const RESCAN_MS = 2000

interface Scan extends ProcessList {
  readonly index: NetnsIndex
  readonly atMs: number
}

interface Sought {
  readonly pod: SoughtPod
  /** Namespaces that were the pod's at the last scan. */
  readonly names: string
}

export interface ProcessResolverParts {
  /** The node's `/proc`. */
  readonly procDir: string
  readonly way: FindWay
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Looks through the network namespaces that the machine's processes are in, without asking a container runtime. The node's
 * own is never given away, nor one of several that could all be the pod's: redirecting another pod's namespace would give
 * it this pod's identity.
 */
export class ProcessResolver implements NetnsResolver {
  readonly #parts: ProcessResolverParts
  readonly #processes: Processes
  readonly #listeners = new Set<(uid: string) => void>()
  /** By uid: as many as pods are looked for. */
  readonly #sought = new Map<string, Sought>()
  #scan: Scan
  #timer: Timer
  /** That something is hidden is told once, until all can be seen again. */
  #isHidingTold = false

  /** @throws MeshError `CONFIG_INVALID` or `PRIVILEGE_MISSING` when the node's processes cannot be seen */
  constructor(parts: ProcessResolverParts) {
    this.#parts = parts
    this.#processes = openProcesses(parts.procDir)
    this.#scan = this.#look()
    this.#timer = this.#nextTimer()
  }

  find(pod: SoughtPod): Netns | undefined {
    if (this.#parts.clock.monotonicMs() - this.#scan.atMs >= RESCAN_MS) this.#scan = this.#look()
    const names = this.#namesOf(pod)
    this.#sought.set(pod.uid, { pod, names: names.join() })
    const [name, ...more] = names
    if (name === undefined) return undefined
    const { hostNetns, ownNetns } = this.#processes
    if (names.includes(hostNetns) || names.includes(ownNetns))
      throw new MeshError('NOT_FOUND', `${shown(pod)} leads to the node's own network namespace`)
    if (more.length > 0)
      throw new MeshError('NOT_FOUND', `${shown(pod)} leads to several network namespaces: ${names.join(', ')}`)
    return openNetnsOf(this.#processes, name, this.#scan.byNetns.get(name) ?? [])
  }

  onChanged(listener: (uid: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  forget(uid: string): void {
    this.#sought.delete(uid)
  }

  async close(): Promise<void> {
    this.#timer.cancel()
    this.#listeners.clear()
  }

  #nextTimer(): Timer {
    return this.#parts.clock.setTimer(RESCAN_MS, () => this.#rescan())
  }

  #rescan(): void {
    this.#timer = this.#nextTimer()
    try {
      this.#scan = this.#look()
    } catch (error) {
      this.#parts.logger.error('the processes of the node cannot be looked at', { reason: reasonOf(error) })
      return
    }
    for (const [uid, { pod, names }] of [...this.#sought]) {
      const now = this.#namesOf(pod).join()
      if (now === names) continue
      this.#sought.set(uid, { pod, names: now })
      for (const tell of [...this.#listeners]) tell(uid)
    }
  }

  #look(): Scan {
    const { way, clock, logger } = this.#parts
    const atMs = clock.monotonicMs()
    const list = listProcesses(this.#processes)
    const index = way.index(this.#processes, list)
    const isHiding = list.hidden > 0 || index.unread > 0
    if (isHiding && !this.#isHidingTold)
      logger.warn('some of the node cannot be looked into; a pod in there is not found', {
        processes: list.hidden,
        namespaces: index.unread,
      })
    this.#isHidingTold = isHiding
    return { ...list, index, atMs }
  }

  #namesOf(pod: SoughtPod): readonly string[] {
    const { index } = this.#scan
    return [...new Set(this.#parts.way.keysOf(pod).flatMap((key) => index.names.get(key) ?? []))].sort()
  }
}

function shown({ uid, ips }: SoughtPod): string {
  return `pod ${uid} (${ips.join(', ')})`
}
