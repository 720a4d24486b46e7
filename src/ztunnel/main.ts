import { refusedTable, settingsTable } from '#shared/config'
import { drainDeadlineMs, type RunningProgram } from '#shared/lifecycle'
import { readCommandLine, runProgram } from '#shared/program'
import { parentChannel, workerCommand } from '#shared/workers'
import { startZtunnel, type ZtunnelParts } from './app.ts'
import { readZtunnelConfig, type ZtunnelConfig, ztunnelSettings } from './config.ts'
import { startSupervisor } from './supervisor.ts'
import { startWorker } from './worker.ts'

type Start = (config: ZtunnelConfig, parts: ZtunnelParts) => Promise<RunningProgram>

function run(flags: readonly string[], start: Start): void {
  runProgram(
    () => readZtunnelConfig(process.env, flags),
    (config) => drainDeadlineMs(config.terminationDeadlineMs, config.terminationGracePeriodSeconds),
    start,
  )
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
        : startSupervisor(config, parts, (zdsPath) => workerCommand([zdsPath, ...flags])),
    ),
  inner: {
    // Started by a supervisor alone, with its own flags behind the socket.
    worker: ([zdsPath = '', ...flags]) =>
      run(flags, (config, parts) => startWorker(config, zdsPath, parentChannel(), parts)),
  },
})
