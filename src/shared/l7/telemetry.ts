import type { ServiceName } from './text-match.ts'

/** What a waypoint tells of the traffic of one service: all Telemetry objects for it as one (istio-control-plane d.6). */
export interface ServiceTelemetry extends ServiceName {
  readonly accessLog: AccessLogging
  readonly tracing: Tracing
  /** Applied in this order; a later one wins. */
  readonly metrics: readonly MetricOverride[]
}

export interface AccessLogging {
  readonly isDisabled: boolean
  /** Names of providers; empty = the proxy's own. */
  readonly providers: readonly string[]
  /** A CEL expression; empty = every request. */
  readonly filter: string
}

export interface Tracing {
  readonly isDisabled: boolean
  readonly providers: readonly string[]
  /** Of requests that come without a decision; undefined = the proxy's own. */
  readonly samplingPercent: number | undefined
  readonly tags: readonly SpanTag[]
}

export interface SpanTag {
  readonly name: string
  readonly value:
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'header' | 'environment'; readonly name: string; readonly missing: string }
}

export interface MetricOverride {
  /** Empty = every provider. */
  readonly provider: string
  /** Its name in Istio's enumeration or its own; empty = all metrics. */
  readonly metric: string
  readonly mode: 'client' | 'server' | 'both'
  readonly isDisabled: boolean | undefined
  /** `expression` is CEL; empty = the tag is removed. */
  readonly tags: readonly { readonly name: string; readonly expression: string }[]
}
