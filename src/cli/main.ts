import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runAmbit } from './ambit.ts'
import { commandName } from './command-name.ts'
import { readCliConfig } from './config.ts'
import type { Terminal } from './print/index.ts'

const distDir = dirname(dirname(fileURLToPath(import.meta.url)))
const config = readCliConfig(process.env)

const terminal: Terminal = {
  // Opened only by who reads it: an open standard input keeps the process alive.
  get stdin() {
    return process.stdin
  },
  stdout: process.stdout,
  stderr: process.stderr,
  cwd: process.cwd(),
  get exitCode() {
    return Number(process.exitCode ?? 0)
  },
  set exitCode(code) {
    process.exitCode = code
  },
  onSignal(signals, listener) {
    for (const signal of signals) process.on(signal, listener)
    return () => {
      for (const signal of signals) process.removeListener(signal, listener)
    }
  },
}

const args = process.argv.slice(2)
// Whoever read our output has enough, as after `| head`; only `up` has to take its mesh down first, and sees to that.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  if (args[0] !== 'up') process.exit(128 + constants.signals.SIGPIPE)
})
await runAmbit(args, {
  distDir,
  demoDir: join(dirname(distDir), 'samples', 'shop'),
  command: commandName(process.argv[1] ?? '', config.path, process.cwd()),
  ...config,
  terminal,
})
// A reader of our output may have gone; whatever still waits (an idle stdin) does not matter any more.
if (process.exitCode !== undefined) process.exit()
