/** Something about a pod for its user, as `kubectl describe` shows it. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}
