import type { Namespace, ObjectMeta } from '#shared/k8s'
import type { GatewayAddress, Service } from '#shared/model'
import type { WaypointBound } from './conditions.ts'
import { allows, type Waypoint, waypointKey } from './waypoints.ts'

/** What waypoints are looked up for, and where. */
export interface BindingFacts {
  readonly namespace: Namespace | undefined
  /** By `namespace/name`; undefined for one that is not ready. */
  readonly waypointOf: (key: string) => Waypoint | undefined
  /** `namespace/name` of the waypoint that is for an account, given as `namespace/name`. */
  readonly waypointOfAccount: (account: string) => string | undefined
}

/** What a service of the mesh has of waypoints; a workload has the first two. */
export interface WaypointBinding {
  readonly waypoint: GatewayAddress | undefined
  /** Undefined when no waypoint was asked for. */
  readonly condition: WaypointBound | undefined
  readonly weightedWaypoints: Service['weightedWaypoints']
  readonly ingressUseWaypoint: boolean
  /** `namespace/name` of each that serves it, the first one first. */
  readonly waypoints: readonly string[]
}

type Labels = Readonly<Record<string, string>>
type Meta = Pick<ObjectMeta, 'namespace' | 'labels' | 'annotations'>

const USE_WAYPOINT = 'istio.io/use-waypoint'
const USE_WAYPOINT_NAMESPACE = 'istio.io/use-waypoint-namespace'
const CANARY = 'istio.io/use-waypoint-canary'
const CANARY_NAMESPACE = 'istio.io/use-waypoint-canary-namespace'
const CANARY_WEIGHT = 'istio.io/use-waypoint-canary-weight'
const INGRESS = 'istio.io/ingress-use-waypoint'
/** Set on everything that is made for a Gateway; what is part of a waypoint has none. */
const MANAGED = 'gateway.istio.io/managed'
const MANAGERS: ReadonlySet<string | undefined> = new Set(['istio.io-mesh-controller', 'istio.io-eastwest-controller'])

export const UNBOUND: WaypointBinding = {
  waypoint: undefined,
  condition: undefined,
  weightedWaypoints: [],
  ingressUseWaypoint: false,
  waypoints: [],
}

/**
 * The waypoints of a Service or ServiceEntry.
 *
 * @param visibility of a ServiceEntry: one that is of its namespace only takes no waypoint of another
 * @see istio-control-plane a.1, b.3, b.4
 */
export function bindService(
  meta: Meta,
  facts: BindingFacts,
  visibility: Service['visibility'] = 'Public',
): WaypointBinding {
  if (MANAGERS.has(meta.labels[MANAGED])) return UNBOUND
  const wish = wishOf(meta, facts.namespace)
  if (wish === undefined) return UNBOUND
  const found = find(wish.key, meta.namespace, 'service', facts)
  if (found.kind === 'refused') return refused(found.condition)
  const primary = found.waypoint
  if (visibility === 'Namespace' && primary.namespace !== meta.namespace)
    return refused({
      type: 'istio.io/WaypointBound',
      status: 'False',
      reason: 'CrossNamespaceWaypointForbidden',
      message: `waypoint ${wish.key} is of another namespace, and the host is visible in its own only: traffic goes direct`,
    })

  const canary = canaryOf(meta, facts, primary)
  const ingress = meta.labels[INGRESS] ?? facts.namespace?.metadata.labels[INGRESS]
  const isThroughIngress = ingress !== undefined && GO_TRUE.has(ingress)
  const sentences = [
    `Successfully attached to waypoint ${wish.key}`,
    ...(ingress === undefined ? [] : [`ingress traffic ${isThroughIngress ? 'goes' : 'does not go'} through it`]),
    ...(canary.kind === 'refused' ? [canary.problem] : []),
  ]
  return {
    waypoint: primary.address,
    condition: {
      type: 'istio.io/WaypointBound',
      status: 'True',
      reason: 'WaypointAccepted',
      message: sentences.join('; '),
    },
    weightedWaypoints:
      canary.kind === 'bound'
        ? [
            { destination: primary.address, weight: 100 - canary.weight },
            { destination: canary.waypoint.address, weight: canary.weight },
          ]
        : [],
    ingressUseWaypoint: isThroughIngress,
    waypoints: [wish.key, ...(canary.kind === 'bound' ? [waypointKey(canary.waypoint)] : [])],
  }
}

/** The waypoint of a Pod or WorkloadEntry: by its own label, by its account, by its namespace's label. */
export function bindWorkload(meta: Meta, serviceAccount: string, facts: BindingFacts): WaypointBinding {
  const account = `${meta.namespace}/${serviceAccount}`
  const ofAccount = meta.labels[USE_WAYPOINT] === undefined ? facts.waypointOfAccount(account) : undefined
  const wish = ofAccount === undefined ? wishOf(meta, facts.namespace) : ({ key: ofAccount, by: 'account' } as const)
  if (wish === undefined) return UNBOUND
  const found = find(wish.key, meta.namespace, 'workload', facts, account)
  if (found.kind === 'bound') {
    const message = `Successfully attached to waypoint ${wish.key}`
    const condition = { type: 'istio.io/WaypointBound', status: 'True', reason: 'WaypointAccepted', message } as const
    return { ...UNBOUND, waypoint: found.waypoint.address, condition, waypoints: [wish.key] }
  }
  // A namespace's waypoint is usually for its services, which is no mistake of every pod in it.
  const isSilent = wish.by === 'namespace' && found.condition.reason === 'UnsupportedTrafficType'
  return isSilent ? UNBOUND : refused(found.condition)
}

/** Which waypoint is asked for: by the object's own label, then by its namespace's; `none` ends the look-up. */
function wishOf(
  { namespace, labels }: Meta,
  object: Namespace | undefined,
): { readonly key: string; readonly by: 'object' | 'namespace' } | undefined {
  const by = labels[USE_WAYPOINT] === undefined ? 'namespace' : 'object'
  const asking: Labels = by === 'object' ? labels : (object?.metadata.labels ?? {})
  const name = asking[USE_WAYPOINT]
  if (name === undefined || name === 'none') return undefined
  // Also a namespace's label means, without more words, a waypoint of that namespace.
  return { key: `${asking[USE_WAYPOINT_NAMESPACE] ?? namespace}/${name}`, by }
}

type Found =
  | { readonly kind: 'bound'; readonly waypoint: Waypoint }
  | { readonly kind: 'refused'; readonly condition: Extract<WaypointBound, { status: 'False' }> }

/**
 * One that is asked for by name and cannot be used is replaced by none: traffic goes direct.
 *
 * @param account of a workload, as `namespace/name`
 */
function find(
  key: string,
  namespace: string,
  traffic: 'service' | 'workload',
  facts: BindingFacts,
  account?: string,
): Found {
  const no = (reason: Extract<WaypointBound, { status: 'False' }>['reason'], what: string): Found => {
    const message = `waypoint ${key} ${what}: traffic goes past it, and policies for it are not enforced`
    return { kind: 'refused', condition: { type: 'istio.io/WaypointBound', status: 'False', reason, message } }
  }
  const waypoint = facts.waypointOf(key)
  if (waypoint === undefined) return no('WaypointIsNotReady', 'is not ready')
  if (!allows(waypoint, namespace, facts.namespace))
    return no('AttachmentDenied', `takes nobody of namespace ${namespace}`)
  const { serviceAccount } = waypoint
  if (account !== undefined && serviceAccount !== undefined && account !== `${waypoint.namespace}/${serviceAccount}`)
    return no('AttachmentDenied', `takes only what runs as ${waypoint.namespace}/${serviceAccount}`)
  if (waypoint.traffic !== traffic && waypoint.traffic !== 'all')
    return no('UnsupportedTrafficType', `is for ${waypoint.traffic} traffic, not for ${traffic} traffic`)
  return { kind: 'bound', waypoint }
}

function refused(condition: WaypointBound): WaypointBinding {
  return { ...UNBOUND, condition }
}

type Canary =
  | { readonly kind: 'none' }
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'bound'; readonly waypoint: Waypoint; readonly weight: number }

function canaryOf(meta: Meta, facts: BindingFacts, primary: Waypoint): Canary {
  const { labels, annotations } = canarySource(meta, facts.namespace)
  const name = labels[CANARY] ?? ''
  if (name === '' || name === 'none') return { kind: 'none' }
  const key = `${labels[CANARY_NAMESPACE] ?? meta.namespace}/${name}`
  const no = (problem: string): Canary => ({ kind: 'refused', problem: `canary waypoint ${key} ${problem}` })
  if (key === waypointKey(primary)) return no('is not used: it is the same waypoint')
  const text = annotations[CANARY_WEIGHT] ?? '0'
  const weight = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  if (!(weight <= 100)) return no(`is not used: its weight ${JSON.stringify(text)} is no whole number from 0 to 100`)
  const found = find(key, meta.namespace, 'service', facts)
  return found.kind === 'bound' ? { ...found, weight } : no(`is not used (${found.condition.reason})`)
}

/** Who names its waypoint itself names its canary, too. */
function canarySource(meta: Meta, namespace: Namespace | undefined): Pick<Meta, 'labels' | 'annotations'> {
  const isOwn = meta.labels[CANARY] !== undefined || meta.labels[USE_WAYPOINT] !== undefined
  return isOwn ? meta : (namespace?.metadata ?? meta)
}

/** What Go's `ParseBool` takes for true. */
const GO_TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
