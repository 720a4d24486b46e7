import { spawn } from 'node:child_process'
import { accessSync, constants as fsConstants } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { builtinKubectl, builtinNames, KUBECTL_ADVICE, NO_KUBECTL, plainFlags } from '../kubectl/index.ts'
import { type Installation, targetOf, withSession } from './options.ts'

const FORWARDED: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
/** Flags of kubectl that take a value and may stand before the command. */
const VALUE_FLAGS = ['-n', '--namespace', '--state', '--kubeconfig', '--context']

export function addKubectl(program: Command, installation: Installation): void {
  program
    .command('kubectl')
    .description('the installed kubectl on the cluster that is meant, or the built-in part of it where there is none')
    .argument('[arguments...]')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action((args: readonly string[]) =>
      isInstalled(installation.path) ? passThrough(args, installation) : runBuiltin(args, installation),
    )
}

/** With the kubeconfig of the mesh, when one is meant; else kubectl chooses by the same rules as we do. */
function passThrough(args: readonly string[], installation: Installation): void {
  const { state, rest } = splitState(args)
  const isOwnChoice = ['--kubeconfig', '--context'].some((flag) => beforeEnd(rest).some((arg) => isFlag(arg, flag)))
  const target = isOwnChoice ? undefined : targetOf(installation, state === undefined ? {} : { state })
  const files = target?.access.kind === 'kubeconfig' ? { KUBECONFIG: target.access.files.join(':') } : {}
  run(rest, { ...process.env, PATH: installation.path, ...files }, installation)
}

/** kubectl has no flag `--state`, so it is ours wherever it stands before `--`. */
export function splitState(args: readonly string[]): {
  readonly state: string | undefined
  readonly rest: readonly string[]
} {
  const at = beforeEnd(args).findIndex((arg) => isFlag(arg, '--state'))
  const arg = args[at]
  if (arg === undefined) return { state: undefined, rest: args }
  const [, joined] = /^--state=(.*)$/.exec(arg) ?? []
  const rest = args.toSpliced(at, joined === undefined ? 2 : 1)
  return { state: joined ?? args[at + 1], rest }
}

async function runBuiltin(args: readonly string[], installation: Installation): Promise<void> {
  const { terminal } = installation
  const name = commandOf(args)
  if (name !== undefined && !builtinNames().includes(name) && name !== 'help') {
    terminal.stderr.write(
      `ambit: kubectl is not installed, and "${name}" is not built in (${builtinNames().join(', ')}); ${KUBECTL_ADVICE}\n`,
    )
    terminal.exitCode = NO_KUBECTL
    return
  }
  const program = builtinKubectl((flags, work) => withSession(installation, flags, work))
  for (const each of [program, ...program.commands]) {
    each
      .configureOutput({
        writeOut: (text) => void terminal.stdout.write(text),
        writeErr: (text) => void terminal.stderr.write(text),
      })
      .exitOverride()
  }
  await program.parseAsync([...plainFlags(name ?? '', args)], { from: 'user' })
}

/** The first argument that is neither a flag nor a flag's value. */
function commandOf(args: readonly string[]): string | undefined {
  return beforeEnd(args).find((arg, i) => !arg.startsWith('-') && !VALUE_FLAGS.includes(args[i - 1] ?? ''))
}

function beforeEnd(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--')
  return end < 0 ? args : args.slice(0, end)
}

function isFlag(arg: string, flag: string): boolean {
  return arg === flag || arg.startsWith(`${flag}=`)
}

function isInstalled(path: string): boolean {
  return path
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .some((folder) => {
      try {
        accessSync(join(folder, 'kubectl'), fsConstants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** It gets our signals, and we its status. */
function run(args: readonly string[], env: NodeJS.ProcessEnv, { terminal }: Installation): void {
  const child = spawn('kubectl', args, { stdio: 'inherit', env })
  terminal.onSignal(FORWARDED, (signal) => child.kill(signal))
  child.on('error', (error) => {
    terminal.stderr.write(`ambit: kubectl cannot be started: ${error.message}\n`)
    terminal.exitCode = NO_KUBECTL
  })
  child.on('exit', (code, signal) => {
    terminal.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
  })
}
