import type { Connection, ConnectionTable, InboundConnectionRecord } from '../connections/index.ts'
import type { MeshView } from '../state/index.ts'
import type { Authorizer } from './authorize.ts'

/**
 * Asks again about live inbound connections, and ends those that are denied now with reason `policy-change`: all of
 * them after each change of policies; those to a workload after each change of that workload, since the list of
 * policies that it names may have grown (Istio's ztunnel misses that case).
 *
 * @returns stops watching
 */
export function watchPolicies(view: MeshView, table: ConnectionTable, authorizer: Authorizer): () => void {
  const recheck = (connections: readonly Connection<InboundConnectionRecord>[]): void => {
    for (const connection of connections) {
      if (connection.closedBy !== undefined) continue
      const { workload, facts } = connection.record
      const verdict = authorizer.authorizeAgain(workload, facts)
      if (verdict.kind === 'denied') connection.close('policy-change', verdict.deniedBy)
    }
  }
  const stops = [
    view.onPoliciesChanged(() => recheck(table.inbound())),
    view.onWorkloadsChanged((uids) => {
      const changed = new Set(uids)
      recheck(table.inbound().filter(({ record }) => changed.has(record.workload.uid)))
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
