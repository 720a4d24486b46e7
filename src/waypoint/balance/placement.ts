import type { LocalityPreference, TrafficPolicy } from '#shared/l7'
import type { LoadBalancingScope, Locality, Service, Workload } from '#shared/model'
import type { WaypointView } from '../state/index.ts'

/**
 * How the members of a cluster are grouped by where they are. `ranked`: a group takes what those before it cannot;
 * `shared`: each takes its share, and what is in no group takes nothing.
 */
export type Placement =
  | { readonly kind: 'ranked'; readonly rankOf: (workload: Workload) => number | undefined }
  | { readonly kind: 'shared'; readonly weights: readonly number[]; readonly groupOf: (workload: Workload) => number }

export interface PlacementFacts {
  readonly service: Service
  readonly policy: TrafficPolicy
  /** This waypoint; undefined until the control plane has told of it, so that no place is near. */
  readonly self: Workload | undefined
  readonly labelsOf: WaypointView['labelsOf']
}

const ALL_EQUAL: Placement = { kind: 'ranked', rankOf: () => 0 }
const IN_NO_GROUP = -1

/**
 * What the locality settings mean here (istio-control-plane d.5). Failover of either kind needs outlier detection, since
 * without it nothing says that a locality fails; the service's own preference does not.
 */
export function placementOf({ service, policy, self, labelsOf }: PlacementFacts): Placement {
  const { locality } = policy
  if (self === undefined) return ALL_EQUAL
  switch (locality.kind) {
    case 'off':
      return ALL_EQUAL
    case 'service':
      return byService(service, self)
    case 'distribute':
      return byShares(locality, self)
    case 'failover':
      return policy.outliers === undefined ? ALL_EQUAL : byDistance(locality, self)
    case 'priority':
      return policy.outliers === undefined ? ALL_EQUAL : byLabels(locality.labels, self, labelsOf)
  }
}

function byService({ loadBalancer }: Service, self: Workload): Placement {
  if (loadBalancer === undefined || loadBalancer.mode === 'Standard' || loadBalancer.mode === 'Passthrough')
    return ALL_EQUAL
  const scopes = loadBalancer.routingPreferences
  const missesOf = (workload: Workload): number => {
    const firstMiss = scopes.findIndex((scope) => !isSame(scope, self, workload))
    return firstMiss < 0 ? 0 : scopes.length - firstMiss
  }
  if (loadBalancer.mode === 'Failover') return { kind: 'ranked', rankOf: missesOf }
  return { kind: 'ranked', rankOf: (workload) => (missesOf(workload) === 0 ? 0 : undefined) }
}

function isSame(scope: LoadBalancingScope, a: Workload, b: Workload): boolean {
  switch (scope) {
    case 'Region':
      return a.locality.region === b.locality.region
    case 'Zone':
      return a.locality.zone === b.locality.zone
    case 'Subzone':
      return a.locality.subzone === b.locality.subzone
    case 'Node':
      return a.node === b.node
    case 'Cluster':
      return a.clusterId === b.clusterId
    case 'Network':
      return a.network === b.network
  }
}

/** Without a rule for where we are, everything is equal; the first rule and the first place that match count. */
function byShares({ rules }: Extract<LocalityPreference, { kind: 'distribute' }>, self: Workload): Placement {
  const rule = rules.find(({ from }) => isWithin(self.locality, from))
  if (rule === undefined) return ALL_EQUAL
  return {
    kind: 'shared',
    weights: rule.to.map(({ weight }) => weight),
    groupOf: ({ locality }) => rule.to.findIndex((place) => isWithin(locality, place.locality)),
  }
}

/** Whether a locality lies in `region[/zone[/subzone]]`, of which `*` is any. */
export function isWithin(locality: Locality, place: string): boolean {
  const [region = '*', zone = '*', subzone = '*'] = place.split('/')
  return fits(region, locality.region) && fits(zone, locality.zone) && fits(subzone, locality.subzone)
}

function fits(wanted: string, actual: string): boolean {
  return wanted === '*' || wanted === actual
}

/** Same subzone, same zone, same region, the region to fail over to, all others. */
function byDistance(
  { regions }: Extract<LocalityPreference, { kind: 'failover' }>,
  { locality: home }: Workload,
): Placement {
  const next = regions.find(({ from }) => from === home.region)?.to
  return {
    kind: 'ranked',
    rankOf: ({ locality }) => {
      if (locality.region !== home.region) return next === undefined || locality.region === next ? 3 : 4
      if (locality.zone !== home.zone) return 2
      return locality.subzone === home.subzone ? 0 : 1
    },
  }
}

/** The more labels in common from the left, the earlier; `label=value` asks for that value instead of ours. */
function byLabels(labels: readonly string[], self: Workload, labelsOf: WaypointView['labelsOf']): Placement {
  const wanted = labels.map((text): readonly [name: string, value: string | undefined] => {
    const equals = text.indexOf('=')
    return equals < 0 ? [text, labelOf(self, text, labelsOf)] : [text.slice(0, equals), text.slice(equals + 1)]
  })
  return {
    kind: 'ranked',
    rankOf: (workload) => {
      const firstMiss = wanted.findIndex(([name, value]) => labelOf(workload, name, labelsOf) !== value)
      return firstMiss < 0 ? 0 : wanted.length - firstMiss
    },
  }
}

/** Where a workload runs is not among its own labels, but priorities name it as if it were. */
function labelOf(workload: Workload, name: string, labelsOf: WaypointView['labelsOf']): string | undefined {
  switch (name) {
    case 'topology.kubernetes.io/region':
      return workload.locality.region
    case 'topology.kubernetes.io/zone':
      return workload.locality.zone
    case 'topology.istio.io/subzone':
      return workload.locality.subzone
    case 'topology.istio.io/cluster':
      return workload.clusterId
    case 'topology.istio.io/network':
      return workload.network
    case 'kubernetes.io/hostname':
      return workload.node
    default:
      return labelsOf(workload.uid)[name]
  }
}

/** The group of each item, in order of preference, and what share it has (1 when ranked). Empty ranks are closed up. */
export function groupBy<T extends { readonly workload: Workload }>(
  items: readonly T[],
  placement: Placement,
): readonly { readonly items: readonly T[]; readonly weight: number }[] {
  const groups = new Map<number, T[]>()
  for (const item of items) {
    const at = placement.kind === 'ranked' ? placement.rankOf(item.workload) : placement.groupOf(item.workload)
    if (at === undefined || at === IN_NO_GROUP) continue
    const group = groups.get(at)
    if (group === undefined) groups.set(at, [item])
    else group.push(item)
  }
  const inOrder = [...groups].sort(([a], [b]) => a - b)
  return inOrder.map(([at, members]) => ({
    items: members,
    weight: placement.kind === 'ranked' ? 1 : (placement.weights[at] ?? 0),
  }))
}
