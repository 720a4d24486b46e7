import type { Clock } from '#shared/clock'
import { Roster, type Seated } from './roster.ts'

/** What a draining part is told: stop taking new work, finish what runs until the deadline, then cut. */
export interface DrainOrder {
  /** `graceful` lets running work finish until `deadlineMs`; `immediate` cuts at once. */
  readonly mode: 'graceful' | 'immediate'
  /** How long running work may go on, ms from now; 0 when immediate. */
  readonly deadlineMs: number
}

/** A part that can be drained; resolves when nothing of it is left. */
export interface Drainable {
  drain(order: DrainOrder): Promise<void>
}

/** Cuts at once. */
export const IMMEDIATE_DRAIN: DrainOrder = { mode: 'immediate', deadlineMs: 0 }

/**
 * Running work that a drain waits for: each piece enters when it starts and leaves when it ends; what is still there
 * at the deadline is cut.
 */
export class Drain<T extends Seated> implements Drainable {
  readonly #clock: Clock
  readonly #cut: (work: T) => void
  readonly #begin: (work: T, order: DrainOrder) => void
  readonly #running = new Roster<T>()
  readonly #waiting = new Set<() => void>()
  #isDraining = false
  #isCut = false

  /**
   * @param cut ends one piece at once; it must lead to `leave`
   * @param begin tells one piece that a graceful drain has begun
   */
  constructor(clock: Clock, cut: (work: T) => void, begin: (work: T, order: DrainOrder) => void = () => {}) {
    this.#clock = clock
    this.#cut = cut
    this.#begin = begin
  }

  /** What enters after everything was cut is cut at once. */
  enter(work: T): void {
    this.#running.add(work)
    if (this.#isCut) this.#cut(work)
  }

  leave(work: T): void {
    this.#running.remove(work)
    if (this.#running.size === 0) for (const resolve of [...this.#waiting]) resolve()
  }

  get size(): number {
    return this.#running.size
  }

  /** No new work is taken any more. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Safe to call again: an immediate order shortens a graceful one. */
  drain(order: DrainOrder): Promise<void> {
    this.#isDraining = true
    if (this.#running.size === 0) {
      this.#isCut ||= order.mode === 'immediate'
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(order.mode === 'immediate' ? 0 : order.deadlineMs, () => this.#cutAll(), true)
      const end = (): void => {
        timer.cancel()
        this.#waiting.delete(end)
        resolve()
      }
      this.#waiting.add(end)
      if (order.mode === 'immediate') this.#cutAll()
      else for (const work of this.#running.members()) this.#begin(work, order)
    })
  }

  #cutAll(): void {
    this.#isCut = true
    for (const work of this.#running.members()) this.#cut(work)
  }
}
