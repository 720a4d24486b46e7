import { settingsTable } from '#shared/config'
import { drainDeadlineMs } from '#shared/lifecycle'
import { readCommandLine, runProgram } from '#shared/program'
import { startIstiod } from './app.ts'
import { istiodSettings, readIstiodConfig } from './config.ts'

readCommandLine(process.argv.slice(2), {
  name: 'istiod-lite',
  // As of Istio's pilot-discovery.
  command: 'discovery',
  help: () => settingsTable(istiodSettings),
  run: (flags) =>
    runProgram(
      () => readIstiodConfig(process.env, flags),
      (config) => drainDeadlineMs(config.terminationDeadlineMs, config.terminationGracePeriodSeconds),
      startIstiod,
    ),
})
