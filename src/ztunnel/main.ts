import { refusedTable, settingsTable } from '#shared/config'
import { drainDeadlineMs, type RunningProgram } from '#shared/lifecycle'
import { readCommandLine, runProgram } from '#shared/program'
import { startZtunnel, type ZtunnelParts } from './app.ts'
import { readZtunnelConfig, type ZtunnelConfig, ztunnelSettings } from './config.ts'
import { startSupervisor } from './supervisor.ts'
import { startWorker, type WorkerProcessChannel } from './worker.ts'

type Start = (config: ZtunnelConfig, parts: ZtunnelParts) => Promise<RunningProgram>

function run(flags: readonly string[], start: Start): void {
  runProgram(
    () => readZtunnelConfig(process.env, flags),
    (config) => drainDeadlineMs(config.terminationDeadlineMs, config.terminationGracePeriodSeconds),
    start,
  )
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

readCommandLine(process.argv.slice(2), {
  name: 'ztunnel',
  // As of Istio's ztunnel.
  command: 'proxy',
  help: () => `${settingsTable(ztunnelSettings)}\n\n${refusedTable(ztunnelSettings)}`,
  run: (flags) =>
    run(flags, (config, parts) =>
      config.workerCount === 1
        ? startZtunnel(config, parts)
        : startSupervisor(config, parts, (zdsPath) => workerCommand(zdsPath, flags)),
    ),
  inner: {
    // Started by a supervisor alone, with its own flags behind the socket.
    worker: ([zdsPath = '', ...flags]) =>
      run(flags, (config, parts) => startWorker(config, zdsPath, parentChannel(), parts)),
  },
})
