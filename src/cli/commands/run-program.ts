import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { MeshError } from '#shared/errors'
import type { Installation } from './options.ts'

/** Names that Istio's users know, the program behind each, and Node's flags for it. */
const PROGRAMS = [
  {
    command: 'ztunnel',
    program: 'ztunnel',
    flags: ['--max-semi-space-size=1', '--single-threaded-gc', '--max-old-space-size=64'],
  },
  { command: 'node-agent', program: 'node-agent', flags: [] },
  { command: 'istiod', program: 'istiod-lite', flags: ['--max-semi-space-size=1'] },
  { command: 'waypoint-proxy', program: 'waypoint', flags: [] },
] as const

const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

export function addPrograms(program: Command, { distDir }: Installation): void {
  for (const each of PROGRAMS) {
    program
      .command(each.command)
      .description(`run the program ${each.program} here, with its own flags and environment, as a container would`)
      .argument('[arguments...]')
      .allowUnknownOption()
      .helpOption(false)
      .action((args: readonly string[]) => {
        const main = join(distDir, each.program, 'main.js')
        if (!existsSync(main)) throw new MeshError('NOT_FOUND', `this version of Ambit has no program ${each.program}`)
        run([...each.flags, main, ...args])
      })
  }
}

/** In a process of its own, as Node's memory flags cannot be set later; it gets our signals, and we its status. */
function run(args: readonly string[]): void {
  const child = spawn(process.execPath, args, { stdio: 'inherit', env: { MALLOC_ARENA_MAX: '1', ...process.env } })
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`ambit: ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128 + constants.signals[signal]))
}
