import { type ChildProcess, spawn } from 'node:child_process'
import { Backoff, type Clock, type Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { BoundedLog } from './bounded-log.ts'

/** A command as it is executed: an absolute file and its arguments, never a shell line. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never'

/**
 * ```
 * idle ─start→ running ─exit→ waiting ─back-off over→ running …
 *                 └─exit, policy says no→ ended          any ─stop→ stopped
 * ```
 */
export type ProcessState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly pid: number; readonly sinceMs: number }
  | { readonly kind: 'waiting'; readonly reason: string; readonly delayMs: number }
  | { readonly kind: 'ended'; readonly reason: string; readonly succeeded: boolean }
  | { readonly kind: 'stopped' }

export interface RestartSettings {
  readonly clock: Clock
  readonly log: BoundedLog
  readonly restart: RestartPolicy
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

/** One process that is started again when it ends, in a session of its own so that its children can be ended with it. */
export class RestartingProcess {
  readonly #settings: RestartSettings
  readonly #backoff: Backoff
  #state: ProcessState = { kind: 'idle' }
  #child: ChildProcess | undefined
  #timer: Timer | undefined
  #exited: Promise<void> = Promise.resolve()
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
    const child = this.#child
    this.#enter({ kind: 'stopped' })
    if (child?.pid === undefined) return
    const { pid } = child
    if (graceMs > 0) signalGroup(pid, 'SIGTERM')
    const kill = this.#settings.clock.setTimer(graceMs, () => signalGroup(pid, 'SIGKILL'), true)
    let giveUp: Timer | undefined
    const late = new Promise<void>((resolve) => {
      giveUp = this.#settings.clock.setTimer(graceMs + KILL_WAIT_MS, resolve, true)
    })
    await Promise.race([this.#exited, late])
    kill.cancel()
    giveUp?.cancel()
    // What the process left behind in its group goes with it.
    signalGroup(pid, 'SIGKILL')
  }

  #spawn(): void {
    const { clock, log, command } = this.#settings
    const { file, args, env } = command()
    const child = spawn(file, args, { env, stdio: ['ignore', log.fd, log.fd], detached: true })
    this.#child = child
    const sinceMs = clock.monotonicMs()
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => {
        resolve()
        this.#ended(`cannot be started: ${error.message}`, false, sinceMs)
      })
      child.once('exit', (code, signal) => {
        resolve()
        if (child.pid !== undefined && this.#state.kind !== 'stopped') signalGroup(child.pid, 'SIGKILL')
        this.#ended(signal === null ? `exited with status ${code}` : `killed by ${signal}`, code === 0, sinceMs)
      })
    })
    if (child.pid !== undefined) this.#enter({ kind: 'running', pid: child.pid, sinceMs })
  }

  #ended(reason: string, succeeded: boolean, sinceMs: number): void {
    this.#child = undefined
    if (this.#state.kind === 'stopped') return
    this.#endings++
    const { clock, restart } = this.#settings
    if (restart === 'Never' || (restart === 'OnFailure' && succeeded)) {
      this.#enter({ kind: 'ended', reason, succeeded })
      return
    }
    if (clock.monotonicMs() - sinceMs >= HEALTHY_MS) this.#backoff.reset()
    const delayMs = this.#backoff.next()
    this.#timer = clock.setTimer(delayMs, () => {
      this.#restarts++
      try {
        this.#spawn()
      } catch (error) {
        // What it would run cannot be said now.
        this.#ended(reasonOf(error), false, clock.monotonicMs())
      }
    })
    this.#enter({ kind: 'waiting', reason, delayMs })
  }

  #enter(state: ProcessState): void {
    this.#state = state
    this.#settings.changed()
  }
}

/** A group that is gone is no error. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
