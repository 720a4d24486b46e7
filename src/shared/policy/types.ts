import type { SpiffeId } from '#shared/model'
import type { SocketAddress } from '#shared/net'

/** What an L4 rule may look at. */
export interface ConnectionFacts {
  /** Proven by mTLS; undefined for plaintext. */
  readonly peer: SpiffeId | undefined
  readonly source: SocketAddress
  /** The pod's accepted address with the resolved workload port. */
  readonly destination: SocketAddress
}

/** `policy` is the policy's key, `<namespace>/<name>`; `rule` the 0-based index of its rule that matched. */
export type Decision =
  | { readonly kind: 'allowed'; readonly by: 'no-policy' }
  | { readonly kind: 'allowed'; readonly by: 'policy'; readonly policy: string; readonly rule: number }
  | { readonly kind: 'denied'; readonly by: 'policy'; readonly policy: string; readonly rule: number }
  | { readonly kind: 'denied'; readonly by: 'no-match' }

/** What dry-run policies would have said; they never change a `Decision`. */
export interface DryRunVerdicts {
  /** The first dry-run DENY that matches. */
  readonly denied: { readonly policy: string; readonly rule: number } | undefined
  /** The first dry-run ALLOW that matches; `no-match` when there are some and none does, undefined without any. */
  readonly allowed: { readonly policy: string; readonly rule: number } | 'no-match' | undefined
}
