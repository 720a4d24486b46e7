/** What becomes of an object, in the form of a Kubernetes condition (istio-control-plane b.4). */
export type Condition = ZtunnelAccepted | PolicyOnWaypoint | WaypointBound | EntryCondition | AppliedAsWritten

/** What tunnels make of a policy that is for them. */
export interface ZtunnelAccepted {
  readonly type: 'ZtunnelAccepted'
  readonly status: 'True' | 'False'
  readonly reason: 'Accepted' | 'UnsupportedValue'
  readonly message: string
}

/** Whether a policy with targets has waypoints that enforce it. */
export type PolicyOnWaypoint =
  | {
      readonly type: 'WaypointAccepted'
      readonly status: 'True'
      readonly reason: 'Accepted' | 'PartiallyInvalid'
      readonly message: string
    }
  | {
      readonly type: 'WaypointAccepted'
      readonly status: 'False'
      readonly reason: 'TargetNotFound' | 'AncestorNotBound' | 'Invalid'
      readonly message: string
    }

/** What only services of entries are told. */
export type EntryCondition =
  | {
      readonly type: 'istio.io/WaypointMissing'
      readonly status: 'True'
      readonly reason: 'NoWaypointForWildcardService'
      readonly message: string
    }
  | {
      readonly type: 'istio.io/VisibilityApplied'
      readonly status: 'True'
      readonly reason: 'Public' | 'Namespace'
      readonly message: string
    }

/**
 * Ours, beside Istio's: what of an object has no effect, or another than its author may think, even where Istio's own
 * condition says that it was accepted. Objects that are applied as they are written have none.
 */
export interface AppliedAsWritten {
  readonly type: 'ambit.dev/AppliedAsWritten'
  readonly status: 'False'
  /** Of the worst shortfall. */
  readonly reason: 'PartlyIgnored' | 'NotPublished' | ShortfallReason
  /** Of all shortfalls. */
  readonly message: string
}

/** From what lets through what was meant to be refused, over what refuses too much, to what is merely unused. */
export const SHORTFALL_REASONS = [
  'ActionUnsupported',
  'DryRunUnsupported',
  'NeverMatches',
  'RulesNeverMatch',
  'SelectorEmpty',
  'Ignored',
  'TargetInvalid',
  'TargetNotFound',
  'WaypointMissing',
  'WaypointNotReady',
  'DeniesMore',
  'AllowRulesLeftOut',
  'WaypointUnused',
  'NotCaptured',
  'SelectsNothing',
  'DisableIsPermissive',
] as const
export type ShortfallReason = (typeof SHORTFALL_REASONS)[number]

/** One thing that is not enforced as its author wrote it. */
export interface Shortfall {
  readonly reason: ShortfallReason
  readonly message: string
}

/** Undefined when there is nothing to tell. */
export function notAsWritten(shortfalls: readonly Shortfall[]): AppliedAsWritten | undefined {
  const rank = ({ reason }: Shortfall): number => SHORTFALL_REASONS.indexOf(reason)
  const sorted = [...shortfalls].sort((a, b) => rank(a) - rank(b))
  const [worst] = sorted
  if (worst === undefined) return undefined
  const message = sorted.map((each) => each.message).join(' ')
  return { type: 'ambit.dev/AppliedAsWritten', status: 'False', reason: worst.reason, message }
}

/** Whether who asks for a waypoint has it. */
export type WaypointBound =
  | {
      readonly type: 'istio.io/WaypointBound'
      readonly status: 'True'
      readonly reason: 'WaypointAccepted'
      readonly message: string
    }
  | {
      readonly type: 'istio.io/WaypointBound'
      readonly status: 'False'
      readonly reason:
        | 'WaypointIsNotReady'
        | 'AttachmentDenied'
        | 'UnsupportedTrafficType'
        | 'CrossNamespaceWaypointForbidden'
      readonly message: string
    }

/** A condition, and which object it is about. */
export interface ObjectCondition {
  readonly kind:
    | 'AuthorizationPolicy'
    | 'PeerAuthentication'
    | 'Service'
    | 'ServiceEntry'
    | 'WorkloadEntry'
    | 'ConfigMap'
  /** `namespace/name`. */
  readonly key: string
  /** Of the object that was looked at; undefined for kinds without generations. */
  readonly generation?: number | undefined
  readonly condition: Condition
}

/** A condition whose reason is one of these says that all is as the object's author wrote it. */
const GOOD_REASONS: ReadonlySet<Condition['reason']> = new Set(['Accepted', 'WaypointAccepted', 'Public', 'Namespace'])

export function isMet({ condition }: ObjectCondition): boolean {
  return GOOD_REASONS.has(condition.reason)
}

/** Undefined when there is nothing to tell. */
export function appliedAsWritten(
  problems: readonly string[],
  reason: AppliedAsWritten['reason'] = 'PartlyIgnored',
): AppliedAsWritten | undefined {
  if (problems.length === 0) return undefined
  return { type: 'ambit.dev/AppliedAsWritten', status: 'False', reason, message: problems.join('; ') }
}
