/** Leaves that one replica has issued at one revision and that may still be in use. */
export interface LeafGroup {
  readonly revision: number
  /** End of the last one. */
  readonly untilMs: number
  readonly count: number
}

/** What one run of one replica tells the others. It is written before the replica signs anything. */
export interface ReplicaReport {
  readonly id: string
  /** The revision by which it signs. */
  readonly revision: number
  /** It signs nothing after this unless it says so anew; `closed`: it has signed its last. */
  readonly lease: { readonly kind: 'open'; readonly untilMs: number } | { readonly kind: 'closed' }
  /** No leaf of it lives longer. */
  readonly longestLifeMs: number
  readonly leaves: readonly LeafGroup[]
}

/** Clocks of replicas differ by less. */
const CLOCK_SKEW_MS = 30_000

export function isLive({ lease }: ReplicaReport, nowMs: number): boolean {
  return lease.kind === 'open' && nowMs < lease.untilMs + CLOCK_SKEW_MS
}

/**
 * Until when leaves older than a revision may be in use.
 *
 * Of a replica that vanished without a word it is not known what it signed between its last report and the end of its
 * lease, nor by which revision: the worst is taken.
 *
 * @returns Infinity while a replica that signs has not taken the revision up; 0 when there are none
 */
export function leavesBefore(report: ReplicaReport, revision: number, nowMs: number): number {
  const told = Math.max(0, ...report.leaves.filter((group) => group.revision < revision).map(({ untilMs }) => untilMs))
  if (report.lease.kind === 'closed' || report.revision >= revision) return told
  if (isLive(report, nowMs)) return Number.POSITIVE_INFINITY
  return Math.max(told, report.lease.untilMs + CLOCK_SKEW_MS + report.longestLifeMs)
}

/** What stays of replicas that are gone: their leaves by revision. Groups that have ended are dropped. */
export function foldDeparted(
  known: readonly LeafGroup[],
  departed: readonly ReplicaReport[],
  nowMs: number,
): readonly LeafGroup[] {
  const unknown = departed.flatMap(({ lease, revision, longestLifeMs }): LeafGroup[] =>
    lease.kind === 'closed' ? [] : [{ revision, untilMs: lease.untilMs + CLOCK_SKEW_MS + longestLifeMs, count: 0 }],
  )
  return joinGroups([...known, ...departed.flatMap(({ leaves }) => leaves), ...unknown], nowMs)
}

/** One group for each revision; what has ended is left out. */
export function joinGroups(groups: readonly LeafGroup[], nowMs: number): readonly LeafGroup[] {
  const joined = new Map<number, LeafGroup>()
  for (const { revision, untilMs, count } of groups) {
    if (untilMs <= nowMs) continue
    const known = joined.get(revision) ?? { revision, untilMs: 0, count: 0 }
    joined.set(revision, { revision, untilMs: Math.max(known.untilMs, untilMs), count: known.count + count })
  }
  return [...joined.values()].sort((a, b) => a.revision - b.revision)
}
