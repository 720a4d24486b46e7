import type { TLSSocket } from 'node:tls'
import { type SpiffeId, spiffeParts } from '#shared/model'
import { spiffeIdsOf } from './certificate.ts'

/** What a look at the peer's names gave; its chain has been verified by TLS before. */
export type PeerVerdict =
  | { readonly kind: 'accepted'; readonly peer: SpiffeId }
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * SPIFFE ids of the certificate that the peer showed, in order; empty when it showed none, or one that cannot be read.
 * Only to be believed on a socket that TLS has authorised.
 */
export function peerSpiffeIds(socket: TLSSocket): readonly SpiffeId[] {
  // Not getPeerX509Certificate(): on a client's socket of Node 24 it takes the certificate out of the peer's chain, and
  // the next call gives the issuer or nothing.
  const { raw } = socket.getPeerCertificate(false) as { readonly raw?: Buffer }
  if (raw === undefined) return []
  try {
    return spiffeIdsOf(raw)
  } catch {
    return []
  }
}

/** The peer's identity: its first SPIFFE id (hbone-and-ztunnel d.1). */
export function peerSpiffeId(socket: TLSSocket): SpiffeId | undefined {
  return peerSpiffeIds(socket)[0]
}

/** A client's check of the server: one of its ids must be expected. The one that is becomes the peer. */
export function judgeServer(ids: readonly SpiffeId[], accepted: readonly SpiffeId[]): PeerVerdict {
  const peer = ids.find((id) => accepted.includes(id))
  if (peer !== undefined) return { kind: 'accepted', peer }
  return {
    kind: 'refused',
    reason: `peer is ${shown(ids)}, expected ${accepted.length === 0 ? 'nobody' : shown(accepted)}`,
  }
}

/** A server's check of the client: one of its ids must be of the server's own trust domain; there are no aliases. */
export function judgeClient(ids: readonly SpiffeId[], own: SpiffeId): PeerVerdict {
  const { trustDomain } = spiffeParts(own)
  const [peer] = ids
  if (peer !== undefined && ids.some((id) => spiffeParts(id).trustDomain === trustDomain))
    return { kind: 'accepted', peer }
  return { kind: 'refused', reason: `peer is ${shown(ids)}, expected trust domain ${trustDomain}` }
}

function shown(ids: readonly SpiffeId[]): string {
  if (ids.length === 0) return 'without a SPIFFE id in a leaf certificate'
  return ids
    .slice(0, 4)
    .map((id) => JSON.stringify(id.slice(0, 256)))
    .join(' or ')
}
