import type { MeshError } from '#shared/errors'

/** Envoy's short words for what became of a request (`%RESPONSE_FLAGS%`); empty = nothing remarkable. */
export type ResponseFlag =
  | ''
  | 'UH' // no healthy endpoint
  | 'UF' // could not connect
  | 'UO' // a bound of the connection pool
  | 'NR' // no route
  | 'NC' // no such cluster
  | 'UC' // the endpoint's connection went
  | 'UR' // the endpoint reset the request
  | 'UT' // the endpoint took too long
  | 'URX' // the last of all attempts failed
  | 'UPE' // the endpoint broke the protocol
  | 'DI' // a delay was injected
  | 'FI' // an abort was injected
  | 'DC' // the client went
  | 'DPE' // the client broke the protocol
  | 'RL' // rate limited
  | 'UAEX' // an external authorizer said no
  | 'DT' // the whole request took too long

/** An answer that we make ourselves. gRPC clients get it as trailers (`reply.ts`). */
export interface LocalReply {
  readonly kind: 'reply'
  readonly status: number
  /** Plain text unless `fields` say otherwise; a few words, nothing of the inside. */
  readonly body: Uint8Array | string
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** For gRPC clients; undefined = what the status maps to. */
  readonly grpcStatus: number | undefined
  readonly flag: ResponseFlag
  /** Envoy's `%RESPONSE_CODE_DETAILS%`: `route_not_found`, `rbac_access_denied_matched_policy[…]`, … */
  readonly details: string
  /** What was behind it, for the log. */
  readonly cause: MeshError | undefined
}
