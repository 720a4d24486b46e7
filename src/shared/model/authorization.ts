import type { Cidr } from '#shared/net'

/** `istio.security.Authorization` as a plain record (authorization.proto). Its key is the resource name on the wire. */
export interface Authorization {
  readonly name: string
  readonly namespace: string
  readonly scope: 'Global' | 'Namespace' | 'WorkloadSelector'
  readonly action: 'Allow' | 'Deny'
  /** Any rule suffices; no rules = the policy never matches. */
  readonly rules: readonly AuthorizationRule[]
  readonly dryRun: boolean
}

/** All clauses must match; no clauses = matches everything. */
export type AuthorizationRule = readonly AuthorizationClause[]

/** Any match suffices; an empty list matches. */
export type AuthorizationClause = readonly AuthorizationMatch[]

/** All kinds must hold; a match in which every list is empty never matches. */
export interface AuthorizationMatch {
  readonly namespaces: readonly StringMatch[]
  readonly notNamespaces: readonly StringMatch[]
  readonly principals: readonly StringMatch[]
  readonly notPrincipals: readonly StringMatch[]
  readonly sourceIps: readonly Cidr[]
  readonly notSourceIps: readonly Cidr[]
  readonly destinationIps: readonly Cidr[]
  readonly notDestinationIps: readonly Cidr[]
  readonly destinationPorts: readonly number[]
  readonly notDestinationPorts: readonly number[]
  readonly serviceAccounts: readonly ServiceAccountMatch[]
  readonly notServiceAccounts: readonly ServiceAccountMatch[]
}

export interface ServiceAccountMatch {
  readonly namespace: string
  readonly serviceAccount: string
}

/** Case-sensitive; `presence` = not empty. */
export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'presence' }
