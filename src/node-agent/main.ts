import { systemClock } from '#shared/clock'
import { settingsTable } from '#shared/config'
import { reasonOf } from '#shared/errors'
import { runMain } from '#shared/lifecycle'
import { LineWriter, Log, Metrics } from '#shared/telemetry'
import { startNodeAgent } from './app.ts'
import { type NodeAgentConfig, nodeAgentSettings, readNodeAgentConfig } from './config.ts'

const STDOUT = 1
/** Nothing is drained; this is what taking leave of the tunnels may take. */
const DRAIN_DEADLINE_MS = 1000

function main(argv: readonly string[]): void {
  const [word = 'run', ...rest] = argv
  if (argv.includes('--help') || word === 'help') {
    process.stdout.write(`node-agent [run] [--flag value …] | version | help\n\n${settingsTable(nodeAgentSettings)}\n`)
  } else if (word === 'version') process.stdout.write(`ambit node-agent, Node ${process.version}\n`)
  else if (word === 'run') run(rest)
  else if (word.startsWith('--')) run(argv)
  else {
    process.stderr.write(`unknown command ${JSON.stringify(word)}: use run, version or help\n`)
    process.exitCode = 1
  }
}

function run(argv: readonly string[]): void {
  const writer = new LineWriter(STDOUT, systemClock)
  let config: NodeAgentConfig
  let log: Log
  try {
    config = readNodeAgentConfig(process.env, argv)
    log = new Log({ format: config.logFormat, filter: config.logFilter, clock: systemClock, output: writer })
  } catch (error) {
    process.stderr.write(`${reasonOf(error)}\n`)
    process.exitCode = 1
    return
  }
  const metrics = new Metrics()
  const unhandled = metrics.counter('ambit_unhandled_errors', 'Errors that nobody handled: bugs')
  process.on('exit', () => writer.flushNow())
  void runMain((control) => startNodeAgent(config, { clock: systemClock, log, metrics, control }), {
    clock: systemClock,
    process,
    log: log.logger('app'),
    drainDeadlineMs: DRAIN_DEADLINE_MS,
    onUnhandled: () => {
      unhandled.value++
    },
    flush: () => writer.flush(),
  })
}

main(process.argv.slice(2))
