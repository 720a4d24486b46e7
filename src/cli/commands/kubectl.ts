import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { notUp } from '../client/index.ts'
import { DEFAULT_STATE, type Installation } from './options.ts'

const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

export function addKubectl(program: Command, { path }: Installation): void {
  program
    .command('kubectl')
    .description("run the installed kubectl with the mesh's kubeconfig: ambit kubectl [--state DIR] get pods -A")
    .argument('[arguments...]')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action((args: readonly string[]) => {
      const { stateDir, rest } = splitState(args)
      const kubeconfig = join(stateDir, 'kubeconfig')
      if (!existsSync(kubeconfig)) throw notUp(stateDir)
      run(rest, { ...process.env, PATH: path, KUBECONFIG: kubeconfig })
    })
}

/** kubectl has no flag `--state`, so it is ours wherever it stands before `--`. */
export function splitState(args: readonly string[]): { readonly stateDir: string; readonly rest: readonly string[] } {
  const rest = [...args]
  const end = rest.indexOf('--')
  const at = rest.findIndex((arg, i) => arg === '--state' && (end < 0 || i < end))
  const [, given] = at < 0 ? [] : rest.splice(at, 2)
  return { stateDir: resolve(given ?? DEFAULT_STATE), rest }
}

/** It gets our signals, and we its status. */
function run(args: readonly string[], env: NodeJS.ProcessEnv): void {
  const child = spawn('kubectl', args, { stdio: 'inherit', env })
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal))
  child.on('error', (error: NodeJS.ErrnoException) => {
    const text =
      error.code === 'ENOENT' ? 'kubectl is not installed; see https://kubernetes.io/docs/tasks/tools' : error.message
    process.stderr.write(`ambit: ${text}\n`)
    process.exitCode = 127
  })
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
  })
}
