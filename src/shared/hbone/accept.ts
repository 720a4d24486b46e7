import type { Socket } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { acceptH2, type H2Connection, type H2Limits } from '#shared/http2'
import type { SpiffeId } from '#shared/model'
import type { SocketAddress } from '#shared/net'
import type { PeerChain, WorkloadCertificate } from '#shared/pki'
import type { HandshakeGate } from './handshake-gate.ts'
import { unrevokedChain } from './tls-client.ts'
import { secureServer, type VerifiedClient } from './tls-server.ts'
import { receiveTunnel } from './tunnel-request.ts'
import type { Revocation, TunnelListener } from './types.ts'

export interface TunnelServerSettings {
  readonly clock: Clock
  /** Of the workload whose listener accepted the connection. */
  readonly certificate: WorkloadCertificate
  /** TCP peer. */
  readonly source: SocketAddress
  /** The address and port that the peer connected to. */
  readonly acceptedOn: SocketAddress
  /** Shared with the other listeners of the process. */
  readonly gate: HandshakeGate
  /** Differences from `serverLimits`. */
  readonly limits?: Partial<H2Limits>
  readonly revocation?: Revocation | undefined
  /** TLS, ms; the default is 10 s. */
  readonly handshakeTimeoutMs?: number
  /** Told why a request was answered with 400: no CONNECT, or no target. */
  readonly onMalformed?: (reason: string) => void
  /** Told once when a connection that was served is gone; it may be so before `acceptTunnels` has resolved. */
  readonly onClosed?: () => void
}

/** A tunnel connection of a verified client. `drain` sends GOAWAY and lets its streams finish. */
export interface TunnelServerConnection {
  readonly peer: SpiffeId
  readonly connection: H2Connection
  /** Of the client, when somebody asks about revocation. */
  readonly chain: PeerChain | undefined
}

const HANDSHAKE_TIMEOUT_MS = 10_000

/**
 * Serves HBONE on an accepted, unread TCP connection. Destroying the socket ends it at any time.
 *
 * @throws MeshError `CLIENT_HANDSHAKE_FAILED`, `CLIENT_UNVERIFIED`, `PEER_REVOKED`; the socket is closed then
 */
export async function acceptTunnels(
  socket: Socket,
  settings: TunnelServerSettings & TunnelListener,
): Promise<TunnelServerConnection> {
  const { clock, certificate, source, acceptedOn, revocation, limits = {} } = settings
  const { socket: secured, peer } = await handshake(socket, settings)
  const chain = revocation && unrevokedChain(secured, certificate, revocation)
  const origin = { peer, source, acceptedOn }
  const connection = acceptH2(
    secured,
    (stream, headers) => receiveTunnel(stream, headers, origin, settings, settings.onMalformed),
    {
      limits,
      clock,
    },
  )
  connection.onClosed = settings.onClosed
  return { peer, connection, chain }
}

async function handshake(socket: Socket, settings: TunnelServerSettings): Promise<VerifiedClient> {
  const { gate, source, certificate, clock, handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS } = settings
  if (!gate.enter(source.ip)) {
    socket.destroy()
    throw new MeshError('CLIENT_HANDSHAKE_FAILED', `too many hand-shakes under way, one more from ${source.ip}`)
  }
  try {
    return await secureServer(socket, certificate, clock, handshakeTimeoutMs)
  } finally {
    gate.leave(source.ip)
  }
}
