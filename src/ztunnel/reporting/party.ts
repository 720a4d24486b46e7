import type { Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { AccessParty, AccessWho } from '#shared/telemetry'

/** Nobody of the mesh, who has proven nothing. */
const NOBODY: AccessWho = { workload: undefined, namespace: undefined, identity: undefined, cluster: undefined }

/** With its own identity, with none, and with few others: whatever stands beyond is not kept. */
const MAX_KEPT = 4

/** Workloads are replaced when they change. */
const whoOf = new WeakMap<Workload, AccessWho[]>()

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
  if (workload !== undefined) return { address, who: known(workload, identity) }
  return { address, who: identity === undefined ? NOBODY : { ...NOBODY, identity } }
}

function known(workload: Workload, identity: string | undefined): AccessWho {
  const kept = whoOf.get(workload) ?? []
  for (const who of kept) if (who.identity === identity) return who
  const name = workload.name || workload.canonicalName
  const who: AccessWho = {
    workload: name === '' ? undefined : name,
    namespace: workload.namespace,
    identity,
    cluster: workload.clusterId,
  }
  if (kept.length < MAX_KEPT) whoOf.set(workload, [...kept, who])
  return who
}
