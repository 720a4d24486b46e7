import type { Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { AccessParty } from '#shared/telemetry'

/**
 * One end of a connection as a log line shows it.
 *
 * @param workload undefined when the address is nobody's in the mesh
 * @param identity proven by mTLS; undefined outside tunnels
 */
export function partyOf(
  address: SocketAddress,
  workload: Workload | undefined,
  identity: string | undefined,
): AccessParty {
  const name = workload === undefined ? '' : workload.name || workload.canonicalName
  return {
    address,
    workload: name === '' ? undefined : name,
    namespace: workload?.namespace,
    identity,
    cluster: workload?.clusterId,
  }
}
