import { settingsTable } from '#shared/config'
import { readCommandLine, runProgram } from '#shared/program'
import { startNodeAgent } from './app.ts'
import { nodeAgentSettings, readNodeAgentConfig } from './config.ts'

/** Nothing is drained; this is what taking leave of the tunnels may take. */
const DRAIN_DEADLINE_MS = 1000

readCommandLine(process.argv.slice(2), {
  name: 'node-agent',
  command: 'run',
  help: () => settingsTable(nodeAgentSettings),
  run: (flags) =>
    runProgram(
      () => readNodeAgentConfig(process.env, flags),
      () => DRAIN_DEADLINE_MS,
      startNodeAgent,
    ),
})
