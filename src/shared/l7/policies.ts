import type { Cidr } from '#shared/net'
import type { NamedMatch, ServiceName, TextMatch } from './text-match.ts'

/** What a policy is for: all that goes through the waypoint, or one of its services. */
export type PolicyTarget = { readonly kind: 'waypoint' } | ({ readonly kind: 'service' } & ServiceName)

/** An AuthorizationPolicy as a waypoint enforces it (istio-control-plane d.1). */
export interface RequestPolicy {
  readonly namespace: string
  readonly name: string
  /** Never empty; only what this waypoint serves. */
  readonly targets: readonly PolicyTarget[]
  /** `audit` only tells; DENY comes before ALLOW. */
  readonly action: 'allow' | 'deny' | 'audit'
  /** Told, not enforced. */
  readonly dryRun: boolean
  /** Any rule suffices; none = the policy never matches. */
  readonly rules: readonly RequestPolicyRule[]
}

/** Three lists of alternatives, of which each must hold; one that is empty holds. */
export interface RequestPolicyRule {
  readonly from: readonly RequestSource[]
  readonly to: readonly RequestOperation[]
  readonly when: readonly RequestCondition[]
}

/** A list of values and its opposite: one of `any`, if there are some, and none of `none`. */
export interface AnyOf<T> {
  readonly any: readonly T[]
  readonly none: readonly T[]
}

export interface RequestSource {
  /** The peer's identity without `spiffe://`. */
  readonly principals: AnyOf<TextMatch>
  readonly namespaces: AnyOf<TextMatch>
  readonly serviceAccounts: AnyOf<AccountName>
  readonly trustDomains: AnyOf<TextMatch>
  readonly requestPrincipals: AnyOf<TokenMatch>
  /** The peer's own address. */
  readonly ips: AnyOf<Cidr>
  /** The address of the first client, as far as it is believed. */
  readonly remoteIps: AnyOf<Cidr>
}

export interface AccountName {
  readonly namespace: string
  readonly serviceAccount: string
}

/** A verified token's `iss` and `sub`; both must hold. */
export interface TokenMatch {
  readonly issuer: TextMatch
  readonly subject: TextMatch
}

export interface RequestOperation {
  /** Compared without case. */
  readonly hosts: AnyOf<TextMatch>
  /** Ports of the service. */
  readonly ports: AnyOf<number>
  readonly methods: AnyOf<TextMatch>
  readonly paths: AnyOf<PolicyPathMatch>
}

/** `template` has `{*}` for one segment and `{**}` for any number. */
export type PolicyPathMatch = TextMatch | { readonly kind: 'template'; readonly value: string }

/** One fact, by its key, and the values that it may or may not have. */
export type RequestCondition =
  | ({ readonly kind: 'header'; readonly name: string } & AnyOf<TextMatch>)
  | ({ readonly kind: 'claim'; readonly path: readonly string[] } & AnyOf<TextMatch>)
  | ({ readonly kind: TextFact } & AnyOf<TextMatch>)
  | ({ readonly kind: NetworkFact } & AnyOf<Cidr>)
  | ({ readonly kind: 'destination-port' } & AnyOf<number>)
  | ({ readonly kind: 'request-principal' } & AnyOf<TokenMatch>)
  | ({ readonly kind: 'service-account' } & AnyOf<AccountName>)

export const TEXT_FACTS = ['namespace', 'principal', 'trust-domain', 'audience', 'presenter', 'sni'] as const
export type TextFact = (typeof TEXT_FACTS)[number]
export const NETWORK_FACTS = ['source-ip', 'remote-ip', 'destination-ip'] as const
export type NetworkFact = (typeof NETWORK_FACTS)[number]

/** A RequestAuthentication as a waypoint enforces it (istio-control-plane d.2). */
export interface TokenPolicy {
  readonly namespace: string
  readonly name: string
  readonly targets: readonly PolicyTarget[]
  readonly issuers: readonly TokenIssuer[]
}

export interface TokenIssuer {
  readonly issuer: string
  /** Empty = any audience. */
  readonly audiences: readonly string[]
  readonly keys: TokenKeys
  /** Where tokens are looked for, in this order. */
  readonly locations: readonly TokenLocation[]
  /** The backend sees the token, too. */
  readonly forwardsToken: boolean
  /** Header for the verified payload in base64url; empty = none. */
  readonly payloadHeader: string
  readonly claimHeaders: readonly { readonly name: string; readonly claim: readonly string[] }[]
  /** Claims that are lists with spaces between; `scope` and `permission` among them. */
  readonly spacedClaims: readonly string[]
}

export type TokenKeys =
  | { readonly kind: 'inline'; readonly jwks: string }
  | { readonly kind: 'remote'; readonly uri: string; readonly timeoutMs: number }
  /** By the issuer's `/.well-known/openid-configuration`. */
  | { readonly kind: 'discovered'; readonly timeoutMs: number }

export type TokenLocation =
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'query' | 'cookie'; readonly name: string }

/** How often somebody may ask; every limit that matches a request counts. */
export interface RateLimit {
  readonly namespace: string
  readonly name: string
  readonly targets: readonly PolicyTarget[]
  readonly limits: readonly RequestLimit[]
}

export interface RequestLimit {
  /** Which requests are counted: all that is said must hold. */
  readonly methods: readonly string[]
  readonly paths: readonly PolicyPathMatch[]
  readonly headers: readonly NamedMatch[]
  /** Requests with the same values share a limit; empty = all share one. */
  readonly per: readonly LimitKey[]
  readonly requests: number
  readonly windowMs: number
  /** So many at once; at least `requests` in the whole window. */
  readonly burst: number
}

export type LimitKey =
  | { readonly kind: 'identity' | 'source-ip' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'claim'; readonly path: readonly string[] }
