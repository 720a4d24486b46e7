import type { Clock } from '#shared/clock'
import type { Workload } from '#shared/model'
import type { WorkloadInfo } from '#shared/zds'
import { localKey } from './workload-store.ts'

/** Most connections that wait at once for their pod's workload; more are told at once that it is unknown. */
const MAX_WAITERS = 10_000

type Waiter = (workload: Workload | undefined) => void

/** Connections whose pod the control plane has not told of yet. */
export class LocalWaiters {
  readonly #clock: Clock
  readonly #waiting = new Map<string, Set<Waiter>>()
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when the workload arrives, or with undefined after `timeoutMs`. */
  wait(info: WorkloadInfo, timeoutMs: number): Promise<Workload | undefined> {
    if (this.#count >= MAX_WAITERS) return Promise.resolve(undefined)
    const key = localKey(info)
    return new Promise((resolve) => {
      const waiter: Waiter = (workload) => {
        timer.cancel()
        this.#forget(key, waiter)
        resolve(workload)
      }
      const timer = this.#clock.setTimer(timeoutMs, () => waiter(undefined))
      const waiters = this.#waiting.get(key) ?? new Set()
      this.#waiting.set(key, waiters.add(waiter))
      this.#count++
    })
  }

  /** Wakes everyone who waits for this one. */
  arrived(workload: Workload): void {
    for (const wake of [...(this.#waiting.get(localKey(workload)) ?? [])]) wake(workload)
  }

  #forget(key: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(key)
    if (waiters?.delete(waiter)) this.#count--
    if (waiters?.size === 0) this.#waiting.delete(key)
  }
}
