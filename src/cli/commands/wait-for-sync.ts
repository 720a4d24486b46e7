import type { Command } from 'commander'
import { systemClock } from '#shared/clock'
import { duration } from '#shared/config'
import { MeshError } from '#shared/errors'
import { MESH_NAMESPACE } from '../cluster/index.ts'
import { ofKind, withTargetFlags } from '../flags/index.ts'
import { clusterControlPlanes, localControlPlane, waitForRollout } from '../rollout/index.ts'
import { withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

interface WaitForSyncFlags extends ClusterFlags {
  readonly istioNamespace: string
  /** Milliseconds. */
  readonly timeout: number
}

export function addWaitForSync(program: Command, installation: Installation): void {
  withTargetFlags(program.command('wait-for-sync'))
    .description('wait until every connected proxy runs with all that the control plane knows now')
    .option('-i, --istio-namespace <name>', 'where the control plane of a cluster is', MESH_NAMESPACE)
    .option('--timeout <time>', 'longest wait', ofKind(duration), 60_000)
    .action(async (flags: WaitForSyncFlags) => {
      const target = targetOf(installation, flags)
      const wait = { clock: systemClock, timeoutMs: flags.timeout }
      const { stateDir } = target
      const proxies =
        stateDir === undefined
          ? await withTarget(target, flags.istioNamespace, ({ connection, namespace }) =>
              waitForRollout(clusterControlPlanes(connection, namespace), undefined, wait),
            )
          : await waitForRollout(localControlPlane(stateDir), undefined, wait)
      if (proxies === undefined) throw noControlPlane(flags.istioNamespace)
      installation.terminal.stdout.write(`${proxies} ${proxies === 1 ? 'proxy is' : 'proxies are'} in sync\n`)
    })
}

export function noControlPlane(namespace: string): MeshError {
  return new MeshError('NOT_FOUND', `no pod with the label app=istiod runs in ${namespace}; see "ambit check"`)
}
