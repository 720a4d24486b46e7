/** What a gRPC call needs, in bytes; encoding and decoding of messages is done by `schema.ts`. */

/** Paths of the calls (wire-tables). */
export const DELTA_ADS_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
export const STATE_ADS_PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'
export const CREATE_CERTIFICATE_PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate'

/** gRPC status codes that are looked at here. */
export const rpcCodes = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

export interface RpcStatus {
  readonly code: number
  /** Peer text: cut and quote it before it goes into a message for people. */
  readonly message: string
}

/** A call of ours that ended with another status than OK. */
export class RpcError extends Error {
  override readonly name: string = 'RpcError'
  readonly status: RpcStatus

  constructor(status: RpcStatus) {
    super(describeStatus(status))
    this.status = status
  }
}

export function describeStatus({ code, message }: RpcStatus): string {
  return `status ${code}: ${JSON.stringify(message.slice(0, 512))}`
}

/** 200 MiB: the state of a very large mesh in one message. */
export const MAX_RESPONSE_BYTES: number = 200 * 1024 * 1024
/** A reconnecting client names every resource it holds. */
export const MAX_REQUEST_BYTES: number = 32 * 1024 * 1024
export const KEEPALIVE_MS = 30_000
export const KEEPALIVE_TIMEOUT_MS = 10_000
