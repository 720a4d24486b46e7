import { systemClock } from '#shared/clock'
import { refusedTable, settingsTable } from '#shared/config'
import { reasonOf } from '#shared/errors'
import { drainDeadlineMs, type RunningProgram, runMain } from '#shared/lifecycle'
import { LineWriter, Log, Metrics } from '#shared/telemetry'
import { startZtunnel, type ZtunnelParts } from './app.ts'
import { readZtunnelConfig, type ZtunnelConfig, ztunnelSettings } from './config.ts'
import { unhandledErrors } from './metrics.ts'
import { startSupervisor } from './supervisor.ts'
import { startWorker, type WorkerProcessChannel } from './worker.ts'

const STDOUT = 1

/** `proxy` is the default, as of Istio's ztunnel. */
function main(argv: readonly string[]): void {
  const [word = 'proxy', ...rest] = argv
  const isOption = word.startsWith('--')
  switch (isOption ? 'proxy' : word) {
    case 'proxy':
      if (argv.includes('--help')) printHelp()
      else {
        const flags = isOption ? argv : rest
        run(flags, (config, parts) =>
          config.workerCount === 1
            ? startZtunnel(config, parts)
            : startSupervisor(config, parts, (zdsPath) => workerCommand(zdsPath, flags)),
        )
      }
      return
    case 'worker': {
      // Started by a supervisor alone, with its own flags behind the socket.
      const [zdsPath = '', ...flags] = rest
      run(flags, (config, parts) => startWorker(config, zdsPath, parentChannel(), parts))
      return
    }
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

function run(
  argv: readonly string[],
  start: (config: ZtunnelConfig, parts: ZtunnelParts) => Promise<RunningProgram>,
): void {
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
  void runMain((control) => start(config, { clock: systemClock, log, metrics, control }), {
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

/** The same program with the same settings and the same flags of Node. */
function workerCommand(zdsPath: string, flags: readonly string[]): ReturnType<Parameters<typeof startSupervisor>[2]> {
  const [, script = ''] = process.argv
  return { file: process.execPath, args: [...process.execArgv, script, 'worker', zdsPath, ...flags], env: process.env }
}

function parentChannel(): WorkerProcessChannel {
  if (process.send === undefined) {
    process.stderr.write('a worker is started by its supervisor only\n')
    process.exit(1)
  }
  return {
    // A supervisor that is gone hears nothing any more; `onEnd` tells.
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage: (take) => void process.on('message', (message) => take(message as Parameters<typeof take>[0])),
    onEnd: (ended) => void process.on('disconnect', ended),
  }
}

function printHelp(): void {
  process.stdout.write(
    `ztunnel [proxy] [--flag value …] | version | help\n\n${settingsTable(ztunnelSettings)}\n\n${refusedTable(ztunnelSettings)}\n`,
  )
}

main(process.argv.slice(2))
