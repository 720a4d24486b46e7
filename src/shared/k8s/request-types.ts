import type { FieldNote } from './notes.ts'
import type { KubeObject, LabelSelector, TargetRef } from './types.ts'

/** Istio: whose tokens are believed. */
export interface RequestAuthentication extends KubeObject {
  readonly kind: 'RequestAuthentication'
  readonly spec: {
    readonly selector: LabelSelector | undefined
    readonly targetRefs: readonly TargetRef[]
    readonly jwtRules: readonly JwtRule[]
    readonly notes: readonly FieldNote[]
  }
}

export interface JwtRule {
  readonly issuer: string
  readonly audiences: readonly string[]
  readonly jwksUri: string
  readonly jwks: string
  readonly fromHeaders: readonly { readonly name: string; readonly prefix: string }[]
  readonly fromParams: readonly string[]
  readonly fromCookies: readonly string[]
  readonly outputPayloadToHeader: string
  readonly outputClaimToHeaders: readonly { readonly header: string; readonly claim: string }[]
  readonly forwardOriginalToken: boolean
  readonly timeoutMs: number | undefined
  readonly spaceDelimitedClaims: readonly string[]
}

/** Istio: what is told of traffic. */
export interface Telemetry extends KubeObject {
  readonly kind: 'Telemetry'
  readonly spec: {
    readonly selector: LabelSelector | undefined
    readonly targetRefs: readonly TargetRef[]
    readonly tracing: readonly TelemetryTracing[]
    readonly metrics: readonly TelemetryMetrics[]
    readonly accessLogging: readonly TelemetryLogging[]
    readonly notes: readonly FieldNote[]
  }
}

export type TelemetryMode = 'CLIENT_AND_SERVER' | 'CLIENT' | 'SERVER'

export interface TelemetryTracing {
  readonly mode: TelemetryMode
  readonly providers: readonly string[]
  readonly randomSamplingPercentage: number | undefined
  readonly disableSpanReporting: boolean | undefined
  readonly customTags: readonly (readonly [
    name: string,
    tag:
      | { readonly kind: 'literal'; readonly value: string }
      | { readonly kind: 'header' | 'environment'; readonly name: string; readonly defaultValue: string },
  ])[]
}

export interface TelemetryMetrics {
  readonly providers: readonly string[]
  readonly overrides: readonly {
    readonly mode: TelemetryMode
    /** Empty = all. */
    readonly metric: string
    readonly disabled: boolean | undefined
    /** Undefined = the tag is removed. */
    readonly tagOverrides: readonly (readonly [name: string, value: string | undefined])[]
  }[]
}

export interface TelemetryLogging {
  readonly mode: TelemetryMode
  readonly providers: readonly string[]
  readonly disabled: boolean | undefined
  readonly filter: string | undefined
}

/** Ours: how often requests may come. */
export interface RateLimitPolicy extends KubeObject {
  readonly kind: 'RateLimit'
  readonly spec: {
    readonly targetRefs: readonly TargetRef[]
    readonly limits: readonly {
      readonly match: {
        readonly methods: readonly string[]
        readonly paths: readonly string[]
        readonly headers: readonly (readonly [name: string, value: string])[]
      }
      readonly per: readonly string[]
      readonly requests: number
      readonly windowMs: number
      readonly burst: number | undefined
    }[]
  }
}
