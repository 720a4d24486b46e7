import type { PodPlan } from '../pod-plan/index.ts'
import type { ContainerPlace, ContainerRole, PodContainer } from './container.ts'
import type { Grace } from './grace.ts'

/** How a pod has ended, by itself or by its deadline. */
export interface PodEnd {
  readonly phase: 'Succeeded' | 'Failed'
  /** Empty when its containers say it all. */
  readonly reason: string
  readonly message: string
}

/** All containers of a pod and the order in which they live (Kubernetes: init containers, sidecars, then the rest). */
export class PodContainers {
  readonly init: readonly PodContainer[]
  readonly main: readonly PodContainer[]
  readonly #waiting = new Set<() => void>()
  #isInitialized = false

  constructor(
    plan: Pick<PodPlan, 'initContainers' | 'containers'>,
    make: (plan: PodPlan['containers'][number], role: ContainerRole) => PodContainer,
  ) {
    this.init = plan.initContainers.map((each) => make(each, each.restart === 'Always' ? 'sidecar' : 'init'))
    this.main = plan.containers.map((each) => make(each, 'main'))
  }

  /** To be called after every change of a container. */
  noticeChange(): void {
    for (const look of [...this.#waiting]) look()
  }

  /** Nothing stands before its main containers any more. */
  get isInitialized(): boolean {
    return this.#isInitialized
  }

  /** How the pod has ended; undefined while it has not. */
  get end(): PodEnd | undefined {
    const hasFailedInit = this.init.some((each) => each.role === 'init' && each.isDone && !each.hasSucceeded)
    if (!hasFailedInit && !this.main.every((each) => each.isDone)) return undefined
    const hasSucceeded = !hasFailedInit && this.main.every((each) => each.hasSucceeded)
    return { phase: hasSucceeded ? 'Succeeded' : 'Failed', reason: '', message: '' }
  }

  /** Starts them in their order; resolves with the pod's end. @throws the signal's reason */
  async run(place: ContainerPlace, initialized: () => void, signal: AbortSignal): Promise<PodEnd> {
    for (const container of this.init) {
      container.start(place)
      const isPast =
        container.role === 'sidecar' ? () => container.isStarted || container.isDone : () => container.isDone
      await this.#until(isPast, signal)
      if (this.end !== undefined) return this.end
    }
    this.#isInitialized = true
    initialized()
    for (const container of this.main) container.start(place)
    await this.#until(() => this.end !== undefined, signal)
    return this.end as PodEnd
  }

  /** Ends all: sidecars after what they serve, the last one first. */
  async stop(grace: Grace): Promise<void> {
    const served = [...this.main, ...this.init.filter(({ role }) => role === 'init')]
    await Promise.all(served.map((each) => each.stop(grace)))
    for (const sidecar of this.init.filter(({ role }) => role === 'sidecar').reverse()) await sidecar.stop(grace)
  }

  /** For good: nobody can read their logs any more. */
  async closeLogs(): Promise<void> {
    await Promise.all([...this.init, ...this.main].map(({ log }) => log.close()))
  }

  #until(isSo: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      if (isSo()) return resolve()
      const settle = (how: () => void): void => {
        this.#waiting.delete(look)
        signal.removeEventListener('abort', aborted)
        how()
      }
      const look = (): void => {
        if (isSo()) settle(resolve)
      }
      const aborted = (): void => settle(() => reject(signal.reason))
      this.#waiting.add(look)
      signal.addEventListener('abort', aborted)
    })
  }
}
