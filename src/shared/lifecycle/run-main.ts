import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from './closer.ts'
import type { Drainable } from './drain.ts'

/** A program that has been started. */
export interface RunningProgram extends Drainable, Closer {}

/** Where a program's life is told; `shared/telemetry`'s Logger is one. */
export interface MainLog {
  info(message: string): void
  error(message: string): void
}

/** Why a program ends: `exitCode` 0 drains first, any other ends at once. */
export interface StopRequest {
  readonly reason: string
  readonly exitCode: number
}

/** What the program may ask of its own life. */
export interface MainControl {
  /** Asks the program to end; the first call counts. */
  stop(request: StopRequest): void
}

/** The part of `process` that a program's life stands on, so that a test can play it. */
export interface MainProcess {
  on(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (thrown: unknown) => void): unknown
  exit(code: number): void
}

export interface MainSettings {
  readonly clock: Clock
  readonly log: MainLog
  readonly process: MainProcess
  /** See `drainDeadlineMs`. */
  readonly drainDeadlineMs: number
  /** Called with each error that nobody handled; a metric counts it. */
  readonly onUnhandled: () => void
  /** Last thing before the exit: logs are written out. */
  readonly flush: () => Promise<void>
}

/** What the end itself may take after the drain's deadline. */
const CLOSE_TIMEOUT_MS = 2000

/**
 * The life of a program: starts it, waits for a signal or `stop`, drains it until the deadline, closes it, exits.
 *
 * Exit codes: 0 after a drain, and at once on a signal that comes while it drains; 1 when it could not start; the code of `stop`.
 * An error that nobody handled is told with its stack and counted, and the program goes on: it belongs to one
 * connection, and ending the process would cut all others.
 */
export async function runMain(
  start: (control: MainControl) => Promise<RunningProgram>,
  settings: MainSettings,
): Promise<void> {
  const { clock, log, process } = settings
  const { promise: stopped, resolve } = Promise.withResolvers<StopRequest>()
  let isStopping = false
  const stop = (request: StopRequest): void => {
    isStopping = true
    resolve(request)
  }
  const end = async (code: number): Promise<void> => {
    await settings.flush()
    process.exit(code)
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isStopping) {
        log.info(`${signal} while draining: ending at once`)
        void end(0)
      } else stop({ reason: signal, exitCode: 0 })
    })
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event as 'uncaughtException', (thrown) => {
      settings.onUnhandled()
      log.error(`unhandled: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`)
    })
  }

  let program: RunningProgram
  try {
    program = await start({ stop })
  } catch (error) {
    // An expected failure is one sentence with what to do; anything else is a bug and shows where.
    log.error(
      error instanceof MeshError ? error.message : `start failed: ${(error as Error)?.stack ?? reasonOf(error)}`,
    )
    return end(1)
  }

  const { reason, exitCode } = await stopped
  if (exitCode !== 0) {
    log.error(`ending: ${reason}`)
    return end(exitCode)
  }
  log.info(`draining for up to ${settings.drainDeadlineMs} ms: ${reason}`)
  const ended = program.drain({ mode: 'graceful', deadlineMs: settings.drainDeadlineMs }).then(() => program.close())
  const { promise: late, resolve: giveUp } = Promise.withResolvers<'late'>()
  const timer = clock.setTimer(settings.drainDeadlineMs + CLOSE_TIMEOUT_MS, () => giveUp('late'), true)
  try {
    if ((await Promise.race([ended, late])) === 'late') log.error('the drain did not end in time')
    else log.info('drained')
  } catch (error) {
    log.error(`drain failed: ${reasonOf(error)}`)
  }
  timer.cancel()
  return end(0)
}
