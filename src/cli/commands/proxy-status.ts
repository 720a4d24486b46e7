import type { Command } from 'commander'
import { MeshError } from '#shared/errors'
import { MESH_NAMESPACE } from '../cluster/index.ts'
import { withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { type DocumentFormat, documentText, type ProxySync, proxyTable, readSyncz } from '../print/index.ts'
import { clusterControlPlanes, localControlPlane, type Page } from '../rollout/index.ts'
import { type Target, withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'
import { noControlPlane } from './wait-for-sync.ts'

const SYNCZ = '/debug/syncz'

interface ProxyStatusFlags extends ClusterFlags {
  readonly output?: DocumentFormat
  readonly istioNamespace: string
}

export function addProxyStatus(program: Command, installation: Installation): void {
  withOutputFlag(withTargetFlags(program.command('proxy-status').alias('ps')))
    .description('show each connected proxy, and what it has taken of what it was sent')
    .option('-i, --istio-namespace <name>', 'where the control plane of a cluster is', MESH_NAMESPACE)
    .argument('[proxy]', 'only this one')
    .action(async (name: string | undefined, flags: ProxyStatusFlags) => {
      const all = await askControlPlanes(targetOf(installation, flags), flags.istioNamespace)
      const shown = name === undefined ? all : all.filter((each) => each.name === name)
      if (name !== undefined && shown.length === 0)
        throw new MeshError('NOT_FOUND', `no proxy ${name} is connected; "ambit proxy-status" lists them`)
      const { output } = flags
      installation.terminal.stdout.write(output === undefined ? proxyTable(shown) : documentText(output, shown))
    })
}

/** Of several replicas, each knows its own clients. */
async function askControlPlanes(target: Target, istioNamespace: string): Promise<readonly ProxySync[]> {
  const { stateDir } = target
  const pages =
    stateDir === undefined
      ? await withTarget(target, istioNamespace, ({ connection, namespace }) =>
          clusterControlPlanes(connection, namespace).ask(SYNCZ),
        )
      : await localControlPlane(stateDir).ask(SYNCZ)
  if (pages.length === 0) throw noControlPlane(istioNamespace)
  return pages.flatMap((page) => readSyncz(textOf(page), page.istiod))
}

function textOf(page: Page): string {
  if (page.kind === 'failed') throw new MeshError('COMMAND_FAILED', page.reason)
  return page.text
}
