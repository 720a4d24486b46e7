import type { Command } from 'commander'
import { systemClock } from '#shared/clock'
import { endMesh, hasState, removeState, runningProcesses } from '../client/index.ts'
import { stateOf, withState } from './options.ts'

export function addDown(program: Command): void {
  withState(program.command('down'))
    .description('take the mesh down and remove its folder, also after a crash')
    .action(async (options: { readonly state: string }) => {
      const stateDir = stateOf(options)
      if (!hasState(stateDir)) {
        process.stdout.write(`no mesh is up in ${stateDir}\n`)
        return
      }
      const wasUp = runningProcesses(stateDir).length > 0
      await endMesh(stateDir, systemClock)
      removeState(stateDir)
      process.stdout.write(wasUp ? 'the mesh is down\n' : 'the mesh had ended; what it left is removed\n')
    })
}
