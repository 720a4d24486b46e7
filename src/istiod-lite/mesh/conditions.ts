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
  readonly kind: 'AuthorizationPolicy' | 'Service'
  /** `namespace/name`. */
  readonly key: string
  readonly condition: Condition
}

/** All is as the object's author wrote it. */
export function isMet({ condition }: ObjectCondition): boolean {
  return condition.reason === 'Accepted' || condition.reason === 'WaypointAccepted'
}
