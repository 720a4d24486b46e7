import type { Cidr } from '#shared/net'
import type { WeightedBackend } from './backends.ts'
import type { HttpRule } from './http-routes.ts'
import type { ServiceName, SourceMatch } from './text-match.ts'

/**
 * What becomes of traffic to one port of a service. A port without such a record is forwarded to its own service by the
 * defaults; one with rules answers 404 to a request that none of them matches.
 */
export interface Routes extends ServiceName {
  readonly port: number
  /** Undefined = HTTP goes the default way. */
  readonly http: readonly HttpRule[] | undefined
  /** For connections that are not HTTP; undefined = the default way. */
  readonly tcp: readonly TcpRule[] | undefined
}

/** The first rule of which a match holds counts; a connection without one is closed. */
export interface TcpRule {
  readonly origin: string
  /** Any of them suffices; none = every connection. */
  readonly matches: readonly TcpMatch[]
  readonly backends: readonly WeightedBackend[]
}

/** All that is said must hold. */
export interface TcpMatch {
  /** Names of TLS's server name indication, `*.` in front stands for any labels; empty = any, also without TLS. */
  readonly sniHosts: readonly string[]
  /** Of the address that was asked for; empty = any. */
  readonly destinations: readonly Cidr[]
  readonly source: SourceMatch | undefined
}
