import { MeshError, reasonOf } from '#shared/errors'
import type { Outcome } from '../reporting/index.ts'

/** What an outbound connection that was not made is called in its line and its counters (hbone-and-ztunnel h.2, h.3). */
export function outboundFailure(error: unknown, hbonePort: number): Outcome {
  const reason = reasonOf(error)
  if (!(error instanceof MeshError)) return { error: `io error: ${reason}`, flag: 'CONNECT' }
  switch (error.code) {
    case 'UPSTREAM_CONNECT_TIMEOUT':
      return {
        error: `connection timed out, maybe a NetworkPolicy is blocking HBONE port ${hbonePort}: ${reason}`,
        flag: 'NETWORK_POLICY',
      }
    case 'CERTIFICATE_UNAVAILABLE':
      return { error: `identity error: ${reason}`, flag: 'IDENTITY_ERROR' }
    case 'PEER_REVOKED':
      return { error: `tls error: ${reason}`, flag: 'CERT_REVOKED' }
    case 'TUNNEL_LOST':
    case 'TUNNEL_ANSWER_TIMEOUT':
      return { error: `h2 failed: ${reason}`, flag: 'H2_HANDSHAKE_FAILURE' }
    case 'TUNNEL_REFUSED':
      // Its message is Istio's already: `http status: 503 Service Unavailable`.
      return { error: reason, flag: 'CONNECT' }
    default:
      return { error: `io error: ${reason}`, flag: 'CONNECT' }
  }
}
