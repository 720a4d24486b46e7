import { Command, CommanderError } from 'commander'
import { AMBIT_VERSION } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'
import {
  addAnalyze,
  addApply,
  addBugReport,
  addCa,
  addCheck,
  addCompletion,
  addDown,
  addExec,
  addKubectl,
  addLogs,
  addPrograms,
  addProxyStatus,
  addRun,
  addStatus,
  addUp,
  addVersion,
  addWaitForSync,
  addWaypoint,
  addZtunnelConfig,
  type Installation,
} from './commands/index.ts'

/** The whole command tree. */
export function ambitProgram(installation: Installation): Command {
  const { terminal } = installation
  const program = new Command('ambit')
    .description('an ambient service mesh: up, look, try, down, on one machine; look and change, on any cluster')
    .version(AMBIT_VERSION, '-v, --version')
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .exitOverride()
  addUp(program, installation)
  addDown(program)
  addStatus(program, installation)
  addCheck(program, installation)
  addRun(program, installation)
  addExec(program, installation)
  addLogs(program, installation)
  addApply(program, installation)
  addKubectl(program, installation)
  addAnalyze(program, installation)
  addBugReport(program, installation)
  addProxyStatus(program, installation)
  addWaitForSync(program, installation)
  addZtunnelConfig(program, installation)
  addCa(program, installation)
  addWaypoint(program, installation)
  addPrograms(program, installation)
  addVersion(program, installation)
  addCompletion(program, installation)
  return program
}

/** Runs one command. An expected failure is one sentence on standard error; the exit status is the terminal's. */
export async function runAmbit(args: readonly string[], installation: Installation): Promise<void> {
  const { terminal } = installation
  try {
    await ambitProgram(installation).parseAsync([...args], { from: 'user' })
  } catch (error) {
    // Commander has said what is wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) terminal.exitCode = error.exitCode
    else {
      // Anything that is not expected is a bug and shows where.
      const text = error instanceof MeshError ? error.message : ((error as Error)?.stack ?? reasonOf(error))
      terminal.stderr.write(`ambit: ${text}\n`)
      terminal.exitCode = 1
    }
  }
}
