import type { HeaderChanges } from './http-routes.ts'

/**
 * Where a request goes: the endpoints of a service's port, or of one of its subsets; or nowhere, since what the route
 * names does not exist or may not be used. Its share of the traffic is answered with that status.
 */
export type Backend =
  | {
      readonly kind: 'cluster'
      readonly namespace: string
      readonly hostname: string
      readonly port: number
      /** Empty = all endpoints. */
      readonly subset: string
    }
  | { readonly kind: 'failed'; readonly statusCode: number; readonly reason: string }

export interface WeightedBackend {
  readonly to: Backend
  /** A share of the sum of all weights. */
  readonly weight: number
  /** After the changes of the rule. */
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
  /** Replaces the request's authority; empty = it stays. */
  readonly authority: string
}
