import { Backoff, type Clock, type Timer } from '#shared/clock'
import type { BoundedLog } from './bounded-log.ts'
import { type Command, describeEnd, type ProcessEnd, ProcessGroup } from './process-group.ts'

/**
 * ```
 * idle ─start→ running ─exit→ waiting ─back-off over→ running …      any ─stop→ stopped
 * ```
 */
export type ProcessState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly pid: number; readonly sinceMs: number }
  | { readonly kind: 'waiting'; readonly reason: string; readonly delayMs: number }
  | { readonly kind: 'stopped' }

export interface RestartSettings {
  readonly clock: Clock
  readonly log: BoundedLog
  /** Asked before each start, so that tokens or addresses may differ. */
  readonly command: () => Command
  /** After every change of `state`. */
  readonly changed: () => void
}

/** Back-off between starts; a run that lasted this long resets it. */
const BACKOFF = { firstMs: 200, maxMs: 10_000, jitter: 0.1 }
const HEALTHY_MS = 10_000
/** Between SIGKILL and giving up on the exit event; the kernel does not take that long. */
const KILL_WAIT_MS = 5_000

/** One process that is started again whenever it ends. */
export class RestartingProcess {
  readonly #settings: RestartSettings
  readonly #backoff: Backoff
  #state: ProcessState = { kind: 'idle' }
  #group: ProcessGroup | undefined
  #timer: Timer | undefined
  #restarts = 0
  #endings = 0

  constructor(settings: RestartSettings) {
    this.#settings = settings
    this.#backoff = new Backoff(settings.clock, BACKOFF)
  }

  get state(): ProcessState {
    return this.#state
  }

  /** How often it has ended by itself. */
  get endings(): number {
    return this.#endings
  }

  /** Starts after the first. */
  get restarts(): number {
    return this.#restarts
  }

  start(): void {
    if (this.#state.kind === 'idle') this.#spawn()
  }

  /** SIGTERM to the session's group, SIGKILL after `graceMs`; resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#timer?.cancel()
    const group = this.#group
    this.#enter({ kind: 'stopped' })
    if (group === undefined) return
    const { clock } = this.#settings
    if (graceMs > 0) group.signal('SIGTERM')
    const kill = clock.setTimer(graceMs, () => group.signal('SIGKILL'), true)
    let giveUp: Timer | undefined
    const late = new Promise<void>((resolve) => {
      giveUp = clock.setTimer(graceMs + KILL_WAIT_MS, resolve, true)
    })
    await Promise.race([group.ended, late])
    kill.cancel()
    giveUp?.cancel()
  }

  #spawn(): void {
    const { clock, log, command } = this.#settings
    const group = new ProcessGroup(command(), ['ignore', log.fd, log.fd])
    const sinceMs = clock.monotonicMs()
    this.#group = group
    void group.ended.then((end) => this.#ended(end, sinceMs))
    if (group.pid !== undefined) this.#enter({ kind: 'running', pid: group.pid, sinceMs })
  }

  #ended(end: ProcessEnd, sinceMs: number): void {
    this.#group = undefined
    if (this.#state.kind === 'stopped') return
    this.#endings++
    const { clock } = this.#settings
    if (clock.monotonicMs() - sinceMs >= HEALTHY_MS) this.#backoff.reset()
    const delayMs = this.#backoff.next()
    this.#timer = clock.setTimer(delayMs, () => {
      this.#restarts++
      this.#spawn()
    })
    this.#enter({ kind: 'waiting', reason: describeEnd(end), delayMs })
  }

  #enter(state: ProcessState): void {
    this.#state = state
    this.#settings.changed()
  }
}
