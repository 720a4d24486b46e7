import type { FieldNote } from './notes.ts'
import type { KubeObject } from './types.ts'

/** What every route of the Gateway API has. */
export interface RouteCommon {
  readonly parentRefs: readonly ParentRef[]
  /** Known fields that are not honoured. */
  readonly notes: readonly FieldNote[]
}

export interface ParentRef {
  readonly group: string
  readonly kind: string
  /** Empty = the route's own. */
  readonly namespace: string
  readonly name: string
  /** Empty = all. */
  readonly sectionName: string
  readonly port: number | undefined
}

export interface HTTPRoute extends KubeObject {
  readonly kind: 'HTTPRoute'
  readonly spec: RouteCommon & { readonly rules: readonly HttpRouteRule[] }
}

export interface HttpRouteRule {
  readonly name: string
  readonly matches: readonly HttpRouteMatch[]
  readonly filters: readonly RouteFilter[]
  readonly backendRefs: readonly BackendRef[]
  readonly timeouts: { readonly requestMs: number | undefined; readonly backendRequestMs: number | undefined }
  readonly retry: RouteRetry | undefined
  readonly sessionPersistence: RouteSessionPersistence | undefined
}

export interface HttpRouteMatch {
  readonly path: { readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'; readonly value: string }
  readonly headers: readonly RouteNamedMatch[]
  readonly queryParams: readonly RouteNamedMatch[]
  /** Empty = any. */
  readonly method: string
}

export interface RouteNamedMatch {
  readonly type: 'Exact' | 'RegularExpression'
  readonly name: string
  readonly value: string
}

export interface RouteRetry {
  readonly codes: readonly number[]
  readonly attempts: number | undefined
  readonly backoffMs: number | undefined
}

export interface RouteSessionPersistence {
  readonly sessionName: string
  readonly absoluteTimeoutMs: number | undefined
  readonly idleTimeoutMs: number | undefined
  readonly type: 'Cookie' | 'Header'
  readonly lifetimeType: 'Permanent' | 'Session'
}

export type RouteFilter =
  | { readonly type: 'RequestHeaderModifier' | 'ResponseHeaderModifier'; readonly changes: RouteHeaderChanges }
  | {
      readonly type: 'RequestRedirect'
      readonly scheme: string
      readonly hostname: string
      readonly path: RoutePathModifier | undefined
      readonly port: number | undefined
      readonly statusCode: number
    }
  | { readonly type: 'URLRewrite'; readonly hostname: string; readonly path: RoutePathModifier | undefined }
  | { readonly type: 'RequestMirror'; readonly backendRef: BackendTarget; readonly percent: number }
  | {
      readonly type: 'CORS'
      readonly allowOrigins: readonly string[]
      readonly allowCredentials: boolean
      readonly allowMethods: readonly string[]
      readonly allowHeaders: readonly string[]
      readonly exposeHeaders: readonly string[]
      readonly maxAgeMs: number
    }
  /** Known, and refused by name. */
  | { readonly type: 'Unsupported'; readonly name: string }

export interface RouteHeaderChanges {
  readonly set: readonly { readonly name: string; readonly value: string }[]
  readonly add: readonly { readonly name: string; readonly value: string }[]
  readonly remove: readonly string[]
}

export interface RoutePathModifier {
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch'
  readonly value: string
}

export interface BackendTarget {
  readonly group: string
  readonly kind: string
  /** Empty = the route's own. */
  readonly namespace: string
  readonly name: string
  readonly port: number | undefined
}

export interface BackendRef extends BackendTarget {
  readonly weight: number
  readonly filters: readonly RouteFilter[]
}

export interface GRPCRoute extends KubeObject {
  readonly kind: 'GRPCRoute'
  readonly spec: RouteCommon & { readonly rules: readonly GrpcRouteRule[] }
}

export interface GrpcRouteRule {
  readonly name: string
  readonly matches: readonly GrpcRouteMatch[]
  readonly filters: readonly RouteFilter[]
  readonly backendRefs: readonly BackendRef[]
  readonly sessionPersistence: RouteSessionPersistence | undefined
}

export interface GrpcRouteMatch {
  /** Undefined = every method; empty names are any. */
  readonly method:
    | { readonly type: 'Exact' | 'RegularExpression'; readonly service: string; readonly method: string }
    | undefined
  readonly headers: readonly RouteNamedMatch[]
}

export interface TCPRoute extends KubeObject {
  readonly kind: 'TCPRoute'
  readonly spec: RouteCommon & { readonly rules: readonly StreamRouteRule[] }
}

export interface TLSRoute extends KubeObject {
  readonly kind: 'TLSRoute'
  /** `hostnames`: names of TLS's server name indication; empty = any. */
  readonly spec: RouteCommon & { readonly hostnames: readonly string[]; readonly rules: readonly StreamRouteRule[] }
}

export interface StreamRouteRule {
  readonly name: string
  readonly backendRefs: readonly Omit<BackendRef, 'filters'>[]
}
