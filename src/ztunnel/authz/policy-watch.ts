import type { MeshView } from '#shared/mesh-state'
import type { Connection, ConnectionTable, InboundConnectionRecord } from '../connections/index.ts'
import type { Authorizer } from './authorize.ts'

/**
 * Asks again about live inbound connections, and ends those that are denied now with reason `policy-change`: after each
 * change of policies those to workloads that the policies apply to, or did; those to a workload after each change of that workload, since the list of
 * policies that it names may have grown (Istio's ztunnel misses that case).
 *
 * @returns stops watching
 */
export function watchPolicies(view: MeshView, table: ConnectionTable, authorizer: Authorizer): () => void {
  /** Revisions of policy under which all connections to a workload have been asked, by its uid. */
  let asked = new Map<string, string>()
  const recheck = (connections: Iterable<Connection<InboundConnectionRecord>>): void => {
    for (const connection of connections) {
      if (connection.closedBy !== undefined) continue
      const { workload, facts } = connection.record
      const verdict = authorizer.authorizeAgain(workload, facts)
      if (verdict.kind === 'denied') connection.close('policy-change', verdict.deniedBy)
    }
  }
  const stops = [
    view.onPoliciesChanged(() => {
      const before = asked
      asked = new Map()
      for (const [uid, connections] of Map.groupBy(table.inbound(), ({ record }) => record.workload.uid)) {
        const workload = view.workloadByUid(uid) ?? connections[0]?.record.workload
        if (workload === undefined) continue // no group is empty
        const revision = view.policyRevision(workload)
        asked.set(uid, revision)
        if (before.get(uid) !== revision) recheck(connections)
      }
    }),
    view.onWorkloadsChanged((uids) => {
      const changed = new Set(uids)
      recheck(table.inbound().filter(({ record }) => changed.has(record.workload.uid)))
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
