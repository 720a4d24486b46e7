import { resolve } from 'node:path'
import type { Command } from 'commander'

/** What `main.ts` finds out about this installation. */
export interface Installation {
  /** `dist/`, with one folder per program. */
  readonly distDir: string
  /** The demo's folder of YAML. */
  readonly demoDir: string
  /** What to type for this very `ambit`. */
  readonly command: string
  /** PATH of the user. */
  readonly path: string
  readonly logFilter: string
}

export const DEFAULT_STATE = '.ambit'

/** Every command that speaks with a mesh takes `--state`. */
export function withState(command: Command): Command {
  return command.option('--state <dir>', 'folder of the mesh', DEFAULT_STATE)
}

export function stateOf(options: { readonly state: string }): string {
  return resolve(options.state)
}

/** A list option that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}
