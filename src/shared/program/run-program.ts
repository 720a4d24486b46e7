import { type Clock, systemClock } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import { type MainControl, type RunningProgram, runMain } from '#shared/lifecycle'
import { type Counter, LineWriter, Log, type LogFormat, Metrics } from '#shared/telemetry'

/** What every program gets besides its settings. */
export interface ProgramParts {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly control: MainControl
}

export interface ProgramConfig {
  readonly logFilter: string
  readonly logFormat: LogFormat
}

const STDOUT = 1

/**
 * A program from its settings to its exit, with its log on standard output. Settings that cannot be used are told on
 * standard error, all of them, with exit code 1.
 *
 * @param read throws a `ConfigError`
 * @param drainMs how long running work may go on after a signal
 */
export function runProgram<T extends ProgramConfig>(
  read: () => T,
  drainMs: (config: T) => number,
  start: (config: T, parts: ProgramParts) => Promise<RunningProgram>,
): void {
  const clock = systemClock
  const writer = new LineWriter(STDOUT, clock)
  let config: T
  let log: Log
  try {
    config = read()
    log = new Log({ format: config.logFormat, filter: config.logFilter, clock, output: writer })
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
    return
  }
  const metrics = new Metrics()
  const unhandled = unhandledErrors(metrics)
  process.on('exit', () => writer.flushNow())
  void runMain((control) => start(config, { clock, log, metrics, control }), {
    clock,
    process,
    log: log.logger('app'),
    drainDeadlineMs: drainMs(config),
    onUnhandled: () => {
      unhandled.value++
    },
    flush: () => writer.flush(),
  })
}

export function unhandledErrors(metrics: Metrics): Counter {
  return metrics.counter('ambit_unhandled_errors', 'Errors that nobody handled; each is a bug, see the log')
}
