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

/** `policy` is `<namespace>/<name>`; `rule` its index, 0-based. */
export type Decision =
  | { readonly kind: 'allowed'; readonly by: 'no-policy' }
  | { readonly kind: 'allowed'; readonly by: 'policy'; readonly policy: string; readonly rule: number }
  | { readonly kind: 'denied'; readonly by: 'policy'; readonly policy: string; readonly rule: number }
  | { readonly kind: 'denied'; readonly by: 'no-match' }
