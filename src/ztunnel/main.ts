import { systemClock } from '#shared/clock'
import { refusedTable, settingsTable } from '#shared/config'
import { reasonOf } from '#shared/errors'
import { drainDeadlineMs, runMain } from '#shared/lifecycle'
import { LineWriter, Log, Metrics } from '#shared/telemetry'
import { startZtunnel } from './app.ts'
import { readZtunnelConfig, type ZtunnelConfig, ztunnelSettings } from './config.ts'
import { unhandledErrors } from './metrics.ts'

const STDOUT = 1

/** `proxy` is the default, as of Istio's ztunnel. */
function main(argv: readonly string[]): void {
  const [word = 'proxy', ...rest] = argv
  const isOption = word.startsWith('--')
  switch (isOption ? 'proxy' : word) {
    case 'proxy':
      if (argv.includes('--help')) printHelp()
      else runProxy(isOption ? argv : rest)
      return
    case 'version':
      process.stdout.write(`ambit ztunnel, Node ${process.version}\n`)
      return
    case 'help':
      printHelp()
      return
    default:
      process.stderr.write(`unknown command ${JSON.stringify(word)}: use proxy, version or help\n`)
      process.exitCode = 1
  }
}

function runProxy(argv: readonly string[]): void {
  let config: ZtunnelConfig
  let log: Log
  const writer = new LineWriter(STDOUT, systemClock)
  try {
    config = readZtunnelConfig(process.env, argv)
    const { logFormat: format, logFilter: filter } = config
    log = new Log({ format, filter, clock: systemClock, output: writer })
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
    return
  }
  const metrics = new Metrics()
  const unhandled = unhandledErrors(metrics)
  process.on('exit', () => writer.flushNow())
  void runMain((control) => startZtunnel(config, { clock: systemClock, log, metrics, control }), {
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

function printHelp(): void {
  process.stdout.write(
    `ztunnel [proxy] [--flag value …] | version | help\n\n${settingsTable(ztunnelSettings)}\n\n${refusedTable(ztunnelSettings)}\n`,
  )
}

main(process.argv.slice(2))
