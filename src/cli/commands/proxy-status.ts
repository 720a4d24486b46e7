import type { Command } from 'commander'
import { MeshError } from '#shared/errors'
import { ControlClient } from '../client/index.ts'
import { MESH_NAMESPACE, meshPods, podPage } from '../cluster/index.ts'
import { withOutputFlag, withTargetFlags } from '../flags/index.ts'
import { type DocumentFormat, documentText, type ProxySync, proxyTable, readSyncz } from '../print/index.ts'
import { type Target, withTarget } from '../target/index.ts'
import { type ClusterFlags, type Installation, targetOf } from './options.ts'

const MONITORING_PORT = 15_014
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
  if (stateDir !== undefined) return readSyncz(await new ControlClient(stateDir).istiodPage(SYNCZ), 'istiod-lite')
  return withTarget(target, istioNamespace, async ({ connection, namespace }) => {
    const pods = await meshPods(connection, namespace, 'app=istiod')
    if (pods.length === 0)
      throw new MeshError('NOT_FOUND', `no pod with the label app=istiod runs in ${namespace}; see "ambit check"`)
    const dumps = await Promise.all(
      pods.map(async ({ id }) => readSyncz(await podPage(connection, id, MONITORING_PORT, SYNCZ), id.name)),
    )
    return dumps.flat()
  })
}
