import type { Command } from 'commander'
import { MeshError } from '#shared/errors'
import { MESH_NAMESPACE } from '../cluster/index.ts'
import { withNamespaceFlag, withTargetFlags } from '../flags/index.ts'
import { type Applied, type ApplyFlags, apply, type Session, withApplyFlags } from '../kubectl/index.ts'
import {
  type ControlPlanes,
  clusterControlPlanes,
  kindName,
  localControlPlane,
  waitForRollout,
} from '../rollout/index.ts'
import { type ClusterFlags, type Installation, withSession } from './options.ts'

interface MeshApplyFlags extends ApplyFlags, ClusterFlags {
  readonly istioNamespace: string
}

export function addApply(program: Command, installation: Installation): void {
  withApplyFlags(withTargetFlags(withNamespaceFlag(program.command('apply'))))
    .description(
      'create and change objects; with --wait, until controllers have accepted them and all proxies have them',
    )
    .option('-i, --istio-namespace <name>', 'where the control plane of a cluster is', MESH_NAMESPACE)
    .action((flags: MeshApplyFlags) =>
      withSession(installation, flags, async (session, { stateDir, connection }) => {
        const untilMs = session.clock.monotonicMs() + flags.timeout
        const written = await apply(session, flags)
        if (flags.wait !== true || flags.dryRun !== undefined) return
        const planes =
          stateDir === undefined ? clusterControlPlanes(connection, flags.istioNamespace) : localControlPlane(stateDir)
        await waitForProxies(session, planes, written, untilMs, flags.istioNamespace)
      }),
    )
}

/** One object after the other: what is refused is told with the object that it was in. */
async function waitForProxies(
  session: Session,
  planes: ControlPlanes,
  written: readonly Applied[],
  untilMs: number,
  istioNamespace: string,
): Promise<void> {
  const { clock, terminal } = session
  for (const { resource, id, revision, where } of written) {
    const name = id.namespace === '' ? id.name : `${id.namespace}/${id.name}`
    const object = { kind: kindName(resource), object: name, revision }
    const timeoutMs = Math.max(0, untilMs - clock.monotonicMs())
    try {
      if ((await waitForRollout(planes, object, { clock, timeoutMs })) !== undefined) continue
      terminal.stderr.write(`ambit: no control plane runs in ${istioNamespace}, so no proxy was waited for\n`)
      return
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      session.fail(`${where}: ${error.message}`)
    }
  }
}
