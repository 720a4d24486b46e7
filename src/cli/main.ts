import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { AMBIT_VERSION } from '#shared/control'
import { MeshError, reasonOf } from '#shared/errors'
import { commandName } from './command-name.ts'
import {
  addDown,
  addExec,
  addKubectl,
  addLogs,
  addPrograms,
  addStatus,
  addUp,
  addZtunnelConfig,
  type Installation,
} from './commands/index.ts'
import { readCliConfig } from './config.ts'

const distDir = dirname(dirname(fileURLToPath(import.meta.url)))
const config = readCliConfig(process.env)
const installation: Installation = {
  distDir,
  demoDir: join(dirname(distDir), 'samples', 'shop'),
  command: commandName(process.argv[1] ?? '', config.path, process.cwd()),
  ...config,
}

const program = new Command('ambit')
  .description('an ambient service mesh on one machine: up, look, try, down')
  .version(AMBIT_VERSION, '-v, --version')
  .enablePositionalOptions()

addUp(program, installation)
addDown(program)
addStatus(program)
addExec(program)
addLogs(program)
addKubectl(program, installation)
addZtunnelConfig(program)
addPrograms(program, installation)
program
  .command('version')
  .description('show the version')
  .action(() => void process.stdout.write(`${AMBIT_VERSION}\n`))

program.parseAsync().then(
  () => {
    // A reader of our output may have gone; whatever still waits (an idle stdin) does not matter any more.
    if (process.exitCode !== undefined) process.exit()
  },
  (error: unknown) => {
    // An expected failure is one sentence; anything else is a bug and shows where.
    const text = error instanceof MeshError ? error.message : ((error as Error)?.stack ?? reasonOf(error))
    process.stderr.write(`ambit: ${text}\n`)
    process.exit(1)
  },
)
