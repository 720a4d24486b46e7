import type { SourceMatch } from '#shared/l7'
import { type SpiffeId, spiffeParts, workloadIdentity } from '#shared/model'
import type { InnerConnection } from '../listen/index.ts'
import type { WaypointView } from '../state/index.ts'

/** What is known of workloads, to tell whose address it is. */
export type SourceView = Pick<WaypointView, 'mesh' | 'network' | 'labelsOf'>

/**
 * Whether the peer is one of those. An address proves nothing: labels count only for a workload of the very identity that
 * the peer has proved.
 */
export function sourceHolds(match: SourceMatch, connection: InnerConnection, view: SourceView): boolean {
  const { peer, source } = connection
  if (peer === undefined) return false
  if (match.namespace !== '' && namespaceOf(peer) !== match.namespace) return false
  const wanted = Object.entries(match.labels)
  if (wanted.length === 0) return true
  const workload = view.mesh.workloadByIp(view.network, source.ip)
  if (workload === undefined || workloadIdentity(workload) !== peer) return false
  const labels = view.labelsOf(workload.uid)
  return wanted.every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value)
}

function namespaceOf(peer: SpiffeId): string {
  return spiffeParts(peer).namespace
}
