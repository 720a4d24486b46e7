import type { AuthorizationPolicy, TargetRef } from '#shared/k8s'
import type { PolicyOnWaypoint, Shortfall } from './conditions.ts'
import type { WaypointBinding } from './waypoint-binding.ts'

/** What stands behind a target of a policy. */
export type TargetState =
  /** @param isUsed whether any service or workload goes through it */
  | { readonly kind: 'bound'; readonly waypoint: string; readonly isUsed: boolean }
  | { readonly kind: 'not-found'; readonly problem: string }
  /** It is there, and no waypoint is asked for. */
  | { readonly kind: 'no-waypoint'; readonly problem: string }
  /** One is asked for, and cannot be used now. */
  | { readonly kind: 'not-ready'; readonly problem: string }
  /** No waypoint will ever look at it. */
  | { readonly kind: 'invalid'; readonly problem: string }

/** What targets are looked up in; keys are `namespace/name`. */
export interface TargetFacts {
  readonly rootNamespace: string
  has(kind: 'Service' | 'ServiceEntry' | 'Gateway', key: string): boolean
  /** Undefined when it asks for no waypoint. */
  bindingOf(kind: 'Service' | 'ServiceEntry', key: string): WaypointBinding | undefined
  isWaypointReady(key: string): boolean
  isWaypointUsed(key: string): boolean
  /** Of a GatewayClass; undefined when there is no such class. */
  controllerOf(name: string): string | undefined
}

const GROUPS: Readonly<Record<string, string>> = {
  Service: '',
  ServiceEntry: 'networking.istio.io',
  Gateway: 'gateway.networking.k8s.io',
  GatewayClass: 'gateway.networking.k8s.io',
}
/** Controllers whose Gateways are waypoints. */
const WAYPOINT_CONTROLLERS: ReadonlySet<string> = new Set(['istio.io/mesh-controller', 'ambit.dev/mesh-controller'])

/** @see istio-control-plane b.4, c.4 */
export function targetState(ref: TargetRef, namespace: string, facts: TargetFacts): TargetState {
  const group = ref.group === 'core' ? '' : ref.group
  if (GROUPS[ref.kind] !== group)
    return { kind: 'invalid', problem: `${ref.kind} of ${groupName(ref)} is no target of policies` }
  if (ref.namespace !== '' && ref.namespace !== namespace && ref.kind !== 'GatewayClass')
    return { kind: 'invalid', problem: `${ref.kind} ${ref.namespace}/${ref.name} is of another namespace` }
  const key = `${namespace}/${ref.name}`
  switch (ref.kind) {
    case 'Service':
    case 'ServiceEntry':
      return serviceState(ref.kind, key, facts)
    case 'Gateway':
      if (!facts.has('Gateway', key)) return { kind: 'not-found', problem: `Gateway ${key} was not found` }
      if (!facts.isWaypointReady(key)) return { kind: 'not-ready', problem: `Gateway ${key} is not ready` }
      return { kind: 'bound', waypoint: key, isUsed: facts.isWaypointUsed(key) }
    default:
      return classState(ref.name, namespace, facts)
  }
}

function serviceState(kind: 'Service' | 'ServiceEntry', key: string, facts: TargetFacts): TargetState {
  if (!facts.has(kind, key)) return { kind: 'not-found', problem: `${kind} ${key} was not found` }
  const binding = facts.bindingOf(kind, key)
  const [waypoint] = binding?.waypoints ?? []
  if (waypoint !== undefined) return { kind: 'bound', waypoint, isUsed: true }
  const why = binding?.condition
  if (why === undefined) return { kind: 'no-waypoint', problem: `${kind} ${key} is not bound to a waypoint` }
  return { kind: 'not-ready', problem: `${kind} ${key} is not bound to a waypoint (${why.reason})` }
}

function classState(name: string, namespace: string, { rootNamespace, controllerOf }: TargetFacts): TargetState {
  if (namespace !== rootNamespace)
    return { kind: 'invalid', problem: `a policy for a GatewayClass must be in namespace ${rootNamespace}` }
  const controller = controllerOf(name)
  if (controller === undefined) return { kind: 'not-found', problem: `GatewayClass ${name} was not found` }
  if (!WAYPOINT_CONTROLLERS.has(controller))
    return { kind: 'invalid', problem: `GatewayClass ${name} is of ${controller}, which makes no waypoints` }
  return { kind: 'bound', waypoint: name, isUsed: true }
}

const REASONS = {
  'not-found': 'TargetNotFound',
  'no-waypoint': 'AncestorNotBound',
  'not-ready': 'AncestorNotBound',
  invalid: 'Invalid',
} as const

const SHORTFALLS = {
  'not-found': 'TargetNotFound',
  'no-waypoint': 'WaypointMissing',
  'not-ready': 'WaypointNotReady',
  invalid: 'TargetInvalid',
} as const

/** Istio's condition. One target has its own reason; of several it suffices that one is bound. */
export function waypointAccepted(policy: AuthorizationPolicy, states: readonly TargetState[]): PolicyOnWaypoint {
  const { targetRefs } = policy.spec
  const type = 'WaypointAccepted'
  const bound = states.flatMap((state) => (state.kind === 'bound' ? [state.waypoint] : []))
  const message = `bound to ${[...new Set(bound)].join(', ')}`
  const [first] = states
  if (states.length === 1 && first !== undefined && first.kind !== 'bound')
    return { type, status: 'False', reason: REASONS[first.kind], message: first.problem }
  if (bound.length === states.length) return { type, status: 'True', reason: 'Accepted', message }
  const wrong = targetRefs.filter((_, i) => states[i]?.kind !== 'bound')
  const list = wrong.map((ref) => `${ref.kind}.${groupName(ref)}:${policy.metadata.namespace}/${ref.name}`)
  const invalid = `Invalid targetRefs: ${list.join(', ')}`
  return bound.length > 0
    ? { type, status: 'True', reason: 'PartiallyInvalid', message: `${message}. ${invalid}` }
    : { type, status: 'False', reason: 'Invalid', message: invalid }
}

/** Each target for itself: a policy that holds for one service and not for another is not as it is written. */
export function targetShortfalls(states: readonly TargetState[]): readonly Shortfall[] {
  return states.flatMap((state): readonly Shortfall[] => {
    if (state.kind !== 'bound')
      return [{ reason: SHORTFALLS[state.kind], message: `${state.problem}: nothing is enforced for it.` }]
    if (state.isUsed) return []
    return [{ reason: 'WaypointUnused', message: `No service or workload goes through waypoint ${state.waypoint}.` }]
  })
}

function groupName({ group }: TargetRef): string {
  return group === '' ? 'core' : group
}
