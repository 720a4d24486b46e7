import type { Command } from 'commander'
import { withNamespaceFlag, withTargetFlags } from '../flags/index.ts'
import { type ApplyFlags, apply, withApplyFlags } from '../kubectl/index.ts'
import { type ClusterFlags, type Installation, withSession } from './options.ts'

export function addApply(program: Command, installation: Installation): void {
  withApplyFlags(withTargetFlags(withNamespaceFlag(program.command('apply'))))
    .description('create and change objects; with --wait, until controllers have accepted them')
    .action((flags: ApplyFlags & ClusterFlags) => withSession(installation, flags, (session) => apply(session, flags)))
}
