/** What becomes of an object, in the form of a Kubernetes condition. */
export interface Condition {
  readonly type: 'ZtunnelAccepted'
  readonly status: 'True' | 'False'
  readonly reason: 'Accepted' | 'UnsupportedValue'
  readonly message: string
}

/** The condition of one policy, and which object it is about. */
export interface PolicyCondition {
  readonly kind: 'AuthorizationPolicy'
  /** `namespace/name`. */
  readonly key: string
  readonly condition: Condition
}
