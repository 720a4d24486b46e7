import { settingsTable } from '#shared/config'
import { drainDeadlineMs, type RunningProgram } from '#shared/lifecycle'
import { type ProgramParts, readCommandLine, runProgram } from '#shared/program'
import { parentChannel, workerCommand } from '#shared/workers'
import { startWaypoint } from './app.ts'
import { readWaypointConfig, type WaypointConfig, waypointSettings } from './config.ts'
import { startSupervisor, startWorker } from './workers.ts'

type Start = (config: WaypointConfig, parts: ProgramParts) => Promise<RunningProgram>

function run(flags: readonly string[], start: Start): void {
  runProgram(
    () => readWaypointConfig(process.env, flags),
    (config) => drainDeadlineMs(config.terminationDeadlineMs, config.terminationGracePeriodSeconds),
    start,
  )
}

readCommandLine(process.argv.slice(2), {
  name: 'waypoint',
  command: 'proxy',
  help: () => settingsTable(waypointSettings),
  run: (flags) =>
    run(flags, (config, parts) =>
      config.workerCount === 1 ? startWaypoint(config, parts) : startSupervisor(config, parts, workerCommand(flags)),
    ),
  inner: {
    // Started by a supervisor alone.
    worker: (flags) => run(flags, (config, parts) => startWorker(config, parentChannel(), parts)),
  },
})
