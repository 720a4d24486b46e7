import { systemClock } from '#shared/clock'
import { settingsTable } from '#shared/config'
import { reasonOf } from '#shared/errors'
import { drainDeadlineMs, runMain } from '#shared/lifecycle'
import { LineWriter, Log, Metrics } from '#shared/telemetry'
import { startIstiod } from './app.ts'
import { type IstiodConfig, istiodSettings, readIstiodConfig } from './config.ts'

const STDOUT = 1

/** `discovery` is the default, as of Istio's pilot-discovery. */
function main(argv: readonly string[]): void {
  const [word = 'discovery', ...rest] = argv
  if (argv.includes('--help') || word === 'help') {
    process.stdout.write(
      `istiod-lite [discovery] [--flag value …] | version | help\n\n${settingsTable(istiodSettings)}\n`,
    )
  } else if (word === 'version') process.stdout.write(`ambit istiod-lite, Node ${process.version}\n`)
  else if (word === 'discovery') run(rest)
  else if (word.startsWith('--')) run(argv)
  else {
    process.stderr.write(`unknown command ${JSON.stringify(word)}: use discovery, version or help\n`)
    process.exitCode = 1
  }
}

function run(argv: readonly string[]): void {
  const writer = new LineWriter(STDOUT, systemClock)
  let config: IstiodConfig
  let log: Log
  try {
    config = readIstiodConfig(process.env, argv)
    log = new Log({ format: config.logFormat, filter: config.logFilter, clock: systemClock, output: writer })
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
    return
  }
  const metrics = new Metrics()
  const unhandled = metrics.counter('ambit_unhandled_errors', 'Errors that nobody handled: bugs')
  process.on('exit', () => writer.flushNow())
  void runMain((control) => startIstiod(config, { clock: systemClock, log, metrics, control }), {
    clock: systemClock,
    process,
    log: log.logger('app'),
    drainDeadlineMs: drainDeadlineMs(config.terminationDeadlineMs, config.terminationGracePeriodSeconds),
    onUnhandled: () => {
      unhandled.value++
    },
    flush: () => writer.flush(),
  })
}

main(process.argv.slice(2))
