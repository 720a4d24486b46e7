import type { ConnectTarget } from '#shared/hbone'
import type { Backend, TrafficPolicy } from '#shared/l7'
import type { Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { RequestHead } from '../codec/index.ts'
import type { InnerConnection } from '../listen/index.ts'
import type { Destination } from '../state/index.ts'

export type ClusterBackend = Extract<Backend, { kind: 'cluster' }>
/** A workload that was dialled itself: it has no service, and is the only endpoint of its own. */
export type WorkloadBackend = Extract<Destination, { kind: 'workload' }>

/** One place that can answer. The same object as long as the workload keeps its address, across updates of its record. */
export interface Endpoint {
  readonly workload: Workload
  /** Of the application, behind the workload's tunnel when it has one; a host name when only DNS knows its address. */
  readonly address: ConnectTarget
  /** Requests under way, in every cluster that holds it. */
  readonly activeRequests: number
}

/** What became of one attempt, as outlier detection and the pools count it. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly status: number }
  /** No answer: refused, reset, timed out. */
  | { readonly kind: 'failed'; readonly isLocalOrigin: boolean }
  /** The client went, or somebody else answered: says nothing of the endpoint. */
  | { readonly kind: 'given-up' }

/** A place in a cluster that one attempt holds from its choice until its end. */
export interface Picked {
  readonly cluster: ActiveCluster
  readonly endpoint: Endpoint
  /** For a consistent hash by a cookie that the client did not have: to be set on its answer. */
  readonly setCookie: string | undefined
  /** Gives the place back, once. */
  done(outcome: AttemptOutcome): void
}

export type PickRefusal = 'no-cluster' | 'no-healthy-endpoint' | 'too-many-requests'

/** A cluster with its live counts. The same object as long as its name is in use. */
export interface ActiveCluster {
  readonly backend: ClusterBackend
  readonly policy: TrafficPolicy
  readonly activeRequests: number
  /**
   * Retries under way or waiting for their time: what budgets and `maxRetries` count. Whoever decides on a retry counts it
   * here, from its back-off to its end, and refuses those beyond the bound: it is decided once, before the wait.
   */
  activeRetries: number
}

/** Who asks for an endpoint: an `Exchange`, or a connection whose bytes are opaque. */
export interface Asker {
  readonly connection: InnerConnection
  readonly request: RequestHead | undefined
}

export interface PickFacts {
  readonly exchange: Asker
  /** Endpoints that have failed in this request; another is preferred. */
  readonly avoid: readonly Endpoint[]
  readonly isRetry: boolean
  /** Localities beyond the preferred ones are allowed, too. */
  readonly usesRemoteLocalities: boolean
  /** PASSTHROUGH: the address that the client dialled. */
  readonly dialled: SocketAddress | undefined
}

export interface Balancer {
  /** Undefined = no such service. */
  clusterOf(backend: ClusterBackend): ActiveCluster | undefined
  /** Chooses by the cluster's policy, and counts the request against its bounds. */
  pick(backend: ClusterBackend | WorkloadBackend, facts: PickFacts): Picked | PickRefusal
  /** Every cluster in use, for dumps. */
  dump(): readonly ClusterDump[]
  close(): void
}

/** A cluster as an admin dump shows it. */
export interface ClusterDump {
  /** `<namespace>/<hostname>:<port>[/<subset>]` */
  readonly name: string
  readonly activeRequests: number
  readonly activeRetries: number
  readonly counters: ClusterCounters
  readonly endpoints: readonly EndpointDump[]
}

/** Since the cluster was first used. */
export interface ClusterCounters {
  requests: number
  refusedRequests: number
  withoutEndpoint: number
  ejections: number
}

export interface EndpointDump {
  readonly uid: string
  readonly address: string
  readonly activeRequests: number
  readonly capacity: number
  /** Place in the order of localities, or of their shares. */
  readonly group: number
  readonly isEjected: boolean
  /** How many base times the next ejection lasts, less one. */
  readonly ejections: number
  readonly consecutive5xx: number
  readonly consecutiveGatewayErrors: number
  readonly consecutiveLocalFailures: number
}
