import type { Backend, ForwardAction, HttpRule, RetryPolicy, WeightedBackend } from '#shared/l7'
import type { LocalReply } from '../codec/index.ts'

/** What a rule says of one request. */
export interface RouteMatch {
  readonly kind: 'match'
  /** Undefined = the default way of a port without rules. */
  readonly rule: HttpRule | undefined
  /** `<rule>.<match>` for logs; `default` without a rule. */
  readonly name: string
  /** Length of the path's part that a prefix or segment match covered; for rewrites. */
  readonly matchedChars: number
  /** What a `forward` rule chose by weight; undefined = the rule redirects or responds. */
  readonly forward: { readonly action: ForwardAction; readonly backend: WeightedBackend } | undefined
  readonly retry: RetryPolicy | undefined
  readonly timeoutMs: number | undefined
}

/** Of a request's head and its asker only; the choice by weight comes from `random`, in [0, 1). */
export type MatchOutcome = RouteMatch | LocalReply

export type { Backend }
