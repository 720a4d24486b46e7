import type { Service, SpiffeId, Workload } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { ClusterBackend, Picked } from '../balance/index.ts'
import type { Exchange, LocalReply } from '../codec/index.ts'
import type { Course } from '../resilience/index.ts'
import type { RouteMatch } from '../route/index.ts'

/** What is known of one exchange when it is over. */
export interface ExchangeFacts {
  readonly exchange: Exchange
  /** Whose address the tunnel came from; undefined = nobody's in the mesh. */
  readonly source: Workload | undefined
  readonly service: Service | undefined
  readonly route: RouteMatch | undefined
  readonly course: Course
  /** 0 = the client went before there was an answer. */
  readonly status: number
  readonly grpcStatus: number | undefined
  readonly isGrpc: boolean
  readonly requestMessages: number
  readonly responseMessages: number
  /** Envoy's flags, with commas between; `-` = none. */
  readonly flags: string
  /** What we answered ourselves. */
  readonly reply: LocalReply | undefined
  /** Wall clock. */
  readonly startedMs: number
  readonly durationMs: number
  /** From the last attempt to its answer's head. */
  readonly upstreamMs: number | undefined
  /** Hex; undefined = it has no trace. */
  readonly traceId: string | undefined
}

/** What is known of a connection that is carried as bytes, once somebody was chosen to answer it. */
export interface ConnectionFacts {
  readonly source: Workload | undefined
  readonly sourceAddress: SocketAddress
  /** Proven by mTLS. */
  readonly principal: SpiffeId | undefined
  readonly service: Service | undefined
  readonly port: number
  /** Undefined = nobody was there. */
  readonly picked: Picked | undefined
  /** Monotonic. */
  readonly openedAtMs: number
}

export function sourcePrincipal({ exchange }: ExchangeFacts): SpiffeId | undefined {
  return exchange.connection.peer
}

export function destinationOf({ course }: ExchangeFacts): Workload | undefined {
  return course.picked?.endpoint.workload
}

export function userAgent({ exchange }: ExchangeFacts): string | undefined {
  return exchange.request.fields.get('user-agent')
}

export function requestId({ exchange }: ExchangeFacts): string | undefined {
  return exchange.request.fields.get('x-request-id')
}

/** Without its query. */
export function pathOf({ exchange }: ExchangeFacts): string {
  const { target } = exchange.request
  const query = target.indexOf('?')
  return query < 0 ? target : target.slice(0, query)
}

/** Envoy's name of the cluster, as Istio's control plane writes it for waypoints. */
export function clusterName({ port, subset, hostname }: ClusterBackend, protocol: 'http' | 'tcp'): string {
  return `inbound-vip|${port}|${subset === '' ? protocol : `${protocol}/${subset}`}|${hostname}`
}
