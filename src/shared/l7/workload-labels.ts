/**
 * The labels of a workload on which something of the waypoint depends: subsets, matches of sources, priorities. Workloads
 * of the Address family have none.
 */
export interface WorkloadLabels {
  /** The workload's uid. */
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
}
