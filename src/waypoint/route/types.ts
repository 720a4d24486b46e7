import type { Backend, ForwardAction, HttpRule, PathMatch, RetryPolicy, WeightedBackend } from '#shared/l7'
import type { Workload } from '#shared/model'
import type { LocalReply } from '../codec/index.ts'

/** What a rule says of one request. */
export interface RouteMatch {
  readonly kind: 'match'
  /** Undefined = the default way of a port without rules. */
  readonly rule: HttpRule | undefined
  /** `<rule>.<match>` for logs; `default` without a rule. */
  readonly name: string
  /** What the path was held against; for rewrites. Undefined = any path. */
  readonly path: PathMatch | undefined
  /** What a `forward` rule chose by weight; undefined = the rule redirects or responds. */
  readonly forward: RouteTarget | undefined
  readonly retry: RetryPolicy | undefined
  readonly timeoutMs: number | undefined
}

export interface RouteTarget {
  readonly action: Omit<ForwardAction, 'kind' | 'backends'>
  readonly backend: ChosenBackend
}

export interface ChosenBackend extends Omit<WeightedBackend, 'to'> {
  readonly to: Backend | WorkloadBackend
}

/** A workload that was dialled itself: it has no service, and is the only endpoint of its own. */
export interface WorkloadBackend {
  readonly kind: 'workload'
  readonly workload: Workload
  readonly port: number
}

/** Of a request's head and its asker only; the choice by weight comes from `random`, in [0, 1). */
export type MatchOutcome = RouteMatch | LocalReply

export type { Backend }
