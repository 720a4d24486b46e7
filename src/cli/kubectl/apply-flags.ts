import type { Command } from 'commander'
import { duration } from '#shared/config'
import { choice, collect, ofKind } from '../flags/index.ts'

export interface ApplyFlags extends FileFlags {
  readonly forceConflicts?: boolean
  readonly dryRun?: 'server'
  readonly wait?: boolean
  /** Milliseconds. */
  readonly timeout: number
}

export interface FileFlags {
  readonly filename: readonly string[]
  readonly recursive?: boolean
}

export function withApplyFlags(command: Command): Command {
  return withFileFlags(command)
    .option('--server-side', 'always so')
    .option('--force-conflicts', 'take fields over from other managers')
    .addOption(choice('--dry-run <where>', 'change nothing', ['server']))
    .option('--wait', 'until controllers have accepted what they have a say in')
    .option('--timeout <time>', 'longest wait', ofKind(duration), 60_000)
}

export function withFileFlags(command: Command): Command {
  return command
    .option('-f, --filename <path>', 'file, folder, or - for standard input; may be repeated', collect, [])
    .option('-R, --recursive', 'folders within folders, too')
}
