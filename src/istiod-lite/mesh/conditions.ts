/** What becomes of an object, in the form of a Kubernetes condition (istio-control-plane b.4). */
export type Condition =
  | {
      readonly type: 'ZtunnelAccepted'
      readonly status: 'True' | 'False'
      readonly reason: 'Accepted' | 'UnsupportedValue'
      readonly message: string
    }
  | {
      readonly type: 'WaypointAccepted'
      readonly status: 'False'
      readonly reason: 'AncestorNotBound'
      readonly message: string
    }
  | WaypointBound
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
  | AppliedAsWritten

/** Our own: what of an object has no effect, or another than its author may think. Objects without such have none. */
export interface AppliedAsWritten {
  readonly type: 'ambit.dev/AppliedAsWritten'
  readonly status: 'False'
  readonly reason: 'PartlyIgnored' | 'NotPublished'
  readonly message: string
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
  readonly kind: 'AuthorizationPolicy' | 'Service' | 'ServiceEntry' | 'WorkloadEntry' | 'ConfigMap'
  /** `namespace/name`. */
  readonly key: string
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
