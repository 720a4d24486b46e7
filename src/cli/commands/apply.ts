import type { Command } from 'commander'
import { duration } from '#shared/config'
import { choice, collect, ofKind, withNamespace, withTarget } from '../flags/index.ts'
import { type ApplyFlags, apply } from '../kubectl/index.ts'
import { type ClusterFlags, type Installation, withSession } from './options.ts'

export function addApply(program: Command, installation: Installation): void {
  withTarget(withNamespace(program.command('apply')))
    .description('create and change objects; with --wait, until controllers have accepted them')
    .option('-f, --filename <path>', 'file, folder, or - for standard input; may be repeated', collect, [])
    .option('-R, --recursive', 'folders within folders, too')
    .option('--force-conflicts', 'take fields over from other managers')
    .addOption(choice('--dry-run <where>', 'change nothing', ['server']))
    .option('--wait', 'until controllers have accepted what they have a say in')
    .option('--timeout <time>', 'longest wait', ofKind(duration), 60_000)
    .action((flags: ApplyFlags & ClusterFlags) => withSession(installation, flags, (session) => apply(session, flags)))
}
