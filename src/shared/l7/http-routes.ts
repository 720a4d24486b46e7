import type { Backend, WeightedBackend } from './backends.ts'
import type { RetryPolicy } from './retries.ts'
import type { ClaimMatch, NamedMatch, PathMatch, SourceMatch, TextMatch } from './text-match.ts'

/** What becomes of requests to one port of a service. The first rule that matches counts. */
export interface HttpRule {
  /** What it was made of, for people: `HTTPRoute shop/cart spec.rules[0].matches[1]`. */
  readonly origin: string
  /** Its name in logs and metrics; empty when its author gave none. */
  readonly name: string
  /** Any of them suffices; none = every request. */
  readonly matches: readonly HttpMatch[]
  readonly action: HttpAction
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
  readonly cors: CorsPolicy | undefined
  readonly fault: FaultPolicy | undefined
  readonly mirrors: readonly Mirror[]
  /** From the whole request until the whole answer, all attempts together; undefined = no limit. */
  readonly timeoutMs: number | undefined
  /** Undefined = one attempt only. Defaults are filled in: the proxy need not know them. */
  readonly retry: RetryPolicy | undefined
}

/** All that is said must hold. */
export interface HttpMatch {
  /** Added to the rule's name: `<rule>.<match>`; empty when it has none. */
  readonly name: string
  readonly path: PathMatch | undefined
  /** The path's letters are compared without case; not for regular expressions. */
  readonly ignorePathCase: boolean
  readonly scheme: TextMatch | undefined
  readonly method: TextMatch | undefined
  readonly authority: TextMatch | undefined
  readonly headers: readonly NamedMatch[]
  /** None of these may hold; a header that is not there counts as empty. */
  readonly withoutHeaders: readonly NamedMatch[]
  readonly query: readonly NamedMatch[]
  readonly claims: readonly ClaimMatch[]
  readonly source: SourceMatch | undefined
}

export type HttpAction = ForwardAction | RedirectAction | RespondAction

export interface ForwardAction {
  readonly kind: 'forward'
  /** Chosen by weight; never empty, and of several none has weight 0. */
  readonly backends: readonly WeightedBackend[]
  /** Of the path, before the request is sent. */
  readonly rewrite: PathRewrite | undefined
  /** Replaces the request's authority; a backend's own comes before it. Empty = it stays. */
  readonly authority: string
  readonly persistence: SessionPersistence | undefined
}

export interface RedirectAction {
  readonly kind: 'redirect'
  readonly statusCode: number
  /** Empty = the request's. */
  readonly scheme: string
  /** Host, with or without port; empty = the request's. */
  readonly authority: string
  /** Undefined = what the authority says. 80 with http and 443 with https are not written. */
  readonly port: number | undefined
  readonly path: PathRewrite | undefined
}

export interface RespondAction {
  readonly kind: 'respond'
  readonly statusCode: number
  readonly body: Uint8Array
}

/**
 * `full` replaces the path, `matched` what the path's match covers (whole segments by whole segments, a prefix, or all of it;
 * without a match the first slash), `regex` every part that matches by a substitution in which `\1` is a group. The query stays.
 */
export type PathRewrite =
  | { readonly kind: 'full'; readonly value: string }
  | { readonly kind: 'matched'; readonly value: string }
  | { readonly kind: 'regex'; readonly pattern: string; readonly substitution: string }

/** Applied in this order: set, add, remove. Names are in lower case, lists sorted by name. */
export interface HeaderChanges {
  readonly set: readonly HeaderValue[]
  readonly add: readonly HeaderValue[]
  readonly remove: readonly string[]
}

export interface HeaderValue {
  readonly name: string
  readonly value: string
}

export interface CorsPolicy {
  readonly origins: readonly TextMatch[]
  /** `*` = any. */
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly exposeHeaders: readonly string[]
  readonly maxAgeMs: number | undefined
  readonly allowCredentials: boolean
  /** A preflight from an origin that is not allowed goes on to the backend, or is answered without CORS headers. */
  readonly unmatchedPreflights: 'forward' | 'ignore'
}

export interface FaultPolicy {
  readonly delay: { readonly percent: number; readonly durationMs: number } | undefined
  readonly abort: { readonly percent: number; readonly status: FaultStatus } | undefined
}

export type FaultStatus = { readonly kind: 'http' | 'grpc'; readonly code: number }

/** A copy that nobody waits for. */
export interface Mirror {
  readonly to: Backend
  /** More than 0, at most 100. */
  readonly percent: number
}

export interface SessionPersistence {
  readonly by: 'cookie' | 'header'
  readonly name: string
  readonly absoluteTimeoutMs: number | undefined
  readonly idleTimeoutMs: number | undefined
  /** A cookie that outlives the browser's session. */
  readonly isPermanent: boolean
}
