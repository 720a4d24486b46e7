import type { Command } from 'commander'
import { systemClock } from '#shared/clock'
import { endMesh, purgeState, removePassing, runningProcesses, stateIn } from '../client/index.ts'
import { stateOf, withState } from './options.ts'
import { whatStays } from './what-stays.ts'

interface DownOptions {
  readonly state: string
  readonly purge?: boolean
}

export function addDown(program: Command): void {
  withState(program.command('down'))
    .description('take the mesh down, also after a crash; its objects and keys stay for the next "up"')
    .option('--purge', 'remove its objects and keys too, and the folder')
    .action((options: DownOptions) => down(options))
}

async function down(options: DownOptions): Promise<void> {
  const stateDir = stateOf(options)
  const found = stateIn(stateDir)
  const wasUp = runningProcesses(stateDir).length > 0
  await endMesh(stateDir, systemClock)
  if (options.purge === true) purgeState(stateDir)
  else removePassing(stateDir)
  process.stdout.write(told(found, wasUp, stateDir))
  if (options.purge !== true) process.stdout.write(whatStays(options.state, stateDir))
  else if (found !== 'nothing') process.stdout.write(`nothing of it is left in ${stateDir}\n`)
}

function told(found: ReturnType<typeof stateIn>, wasUp: boolean, stateDir: string): string {
  if (wasUp) return 'the mesh is down\n'
  return found === 'passing' ? 'the mesh had ended; what it left behind is removed\n' : `no mesh is up in ${stateDir}\n`
}
