import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { SpiffeId } from '#shared/model'
import { judgeServer, type PeerChain, peerSpiffeIds, readPeerChain, type WorkloadCertificate } from '#shared/pki'
import type { Revocation } from './types.ts'

/** How a hand-shake is made and judged. */
export interface TlsClientSettings {
  readonly clock: Clock
  /** TLS, ms. */
  readonly handshakeTimeoutMs: number
  /** Undefined = nothing is known of revoked certificates. */
  readonly revocation: Revocation | undefined
}

/** A hand-shake that is done and a peer that is who was asked for. */
export interface VerifiedServer {
  readonly socket: TLSSocket
  readonly peer: SpiffeId
  /** Undefined when nobody asks about revocation. */
  readonly chain: PeerChain | undefined
}

/**
 * Waits for the TCP connection and makes it a tunnel's TLS connection, as `secureOver`.
 *
 * @throws MeshError `UPSTREAM_CONNECT_FAILED`, `UPSTREAM_CONNECT_TIMEOUT`, and what `secureOver` throws
 */
export async function secureClient(
  socket: Socket,
  certificate: WorkloadCertificate,
  acceptedPeers: readonly SpiffeId[],
  settings: TlsClientSettings & { readonly connectTimeoutMs: number },
): Promise<VerifiedServer> {
  await connected(socket, settings.clock, settings.connectTimeoutMs)
  socket.setNoDelay(true)
  return secureOver(socket, certificate, acceptedPeers, settings)
}

/**
 * Makes a connected transport a tunnel's TLS connection: TLS by the certificate's context, ALPN h2, no server name; the
 * server's chain must lead to the roots of our own identity, and one of its SPIFFE ids must be accepted. The transport is
 * destroyed on failure.
 *
 * @throws MeshError `TUNNEL_HANDSHAKE_FAILED`, `TUNNEL_HANDSHAKE_TIMEOUT`, `PEER_UNVERIFIED`, `PEER_REVOKED`
 */
export async function secureOver(
  transport: Duplex,
  certificate: WorkloadCertificate,
  acceptedPeers: readonly SpiffeId[],
  { clock, handshakeTimeoutMs, revocation }: TlsClientSettings,
): Promise<VerifiedServer> {
  const secured = connect({
    socket: transport,
    secureContext: certificate.secureContext,
    ALPNProtocols: ['h2'],
    // The chain is judged below, where its fault can be told from others; names of hosts mean nothing here.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  // A transport that is no socket of the kernel does not tell of its end by itself.
  if (!(transport instanceof Socket)) transport.on('close', () => secured.destroy())
  if (transport.destroyed) secured.destroy()
  await handshaken(secured, clock, handshakeTimeoutMs)
  const peer = verify(secured, acceptedPeers)
  return { socket: secured, peer, chain: revocation && unrevokedChain(secured, certificate, revocation) }
}

/**
 * The chain of a verified peer, of which nothing is revoked. The socket is destroyed on failure.
 *
 * @throws MeshError `PEER_REVOKED`
 */
export function unrevokedChain(socket: TLSSocket, own: WorkloadCertificate, revocation: Revocation): PeerChain {
  try {
    const chain = readPeerChain(socket, own)
    const fault = revocation.faultOf(chain)
    if (fault === undefined) return chain
    throw new MeshError('PEER_REVOKED', `peer's ${fault}`)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function verify(socket: TLSSocket, acceptedPeers: readonly SpiffeId[]): SpiffeId {
  if (!socket.authorized) {
    socket.destroy()
    throw new MeshError('PEER_UNVERIFIED', `peer's certificate: ${reasonOf(socket.authorizationError)}`)
  }
  const verdict = judgeServer(peerSpiffeIds(socket), acceptedPeers)
  if (verdict.kind === 'accepted') return verdict.peer
  socket.destroy()
  throw new MeshError('PEER_UNVERIFIED', verdict.reason)
}

function connected(socket: Socket, clock: Clock, timeoutMs: number): Promise<void> {
  return settled(socket, clock, timeoutMs, {
    event: 'connect',
    isDone: () => !socket.connecting && !socket.destroyed,
    failed: (reason, cause) => new MeshError('UPSTREAM_CONNECT_FAILED', `connect failed: ${reason}`, { cause }),
    late: () => new MeshError('UPSTREAM_CONNECT_TIMEOUT', `connection timed out, maximum time is ${timeoutMs} ms`),
  })
}

function handshaken(socket: TLSSocket, clock: Clock, timeoutMs: number): Promise<void> {
  return settled(socket, clock, timeoutMs, {
    event: 'secureConnect',
    isDone: () => false,
    failed: (reason, cause) => new MeshError('TUNNEL_HANDSHAKE_FAILED', `tls handshake error: ${reason}`, { cause }),
    late: () => new MeshError('TUNNEL_HANDSHAKE_TIMEOUT', `tls handshake not done within ${timeoutMs} ms`),
  })
}

interface Awaited {
  readonly event: 'connect' | 'secureConnect'
  /** The event has come already. */
  readonly isDone: () => boolean
  readonly failed: (reason: string, cause: Error | undefined) => MeshError
  readonly late: () => MeshError
}

/** Resolves at the event; otherwise destroys the socket and rejects. */
function settled(socket: Socket, clock: Clock, timeoutMs: number, awaited: Awaited): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let error: Error | undefined
  const timer = clock.setTimer(timeoutMs, () => finish(awaited.late()))
  const onEvent = (): void => finish(undefined)
  const onError = (cause: Error): void => {
    error = cause
    finish(awaited.failed(cause.message, cause))
  }
  const onClose = (): void => finish(awaited.failed(error?.message ?? 'closed by the peer', error))
  const finish = (failure: MeshError | undefined): void => {
    timer.cancel()
    // The listener for errors stays: one that comes later is of no interest here, but must have somebody to hear it.
    socket.off(awaited.event, onEvent).off('close', onClose)
    if (failure === undefined) {
      resolve()
      return
    }
    reject(failure)
    socket.destroy()
  }
  socket.on('error', onError)
  if (awaited.isDone()) finish(undefined)
  else if (socket.destroyed) finish(awaited.failed('closed', undefined))
  else socket.on(awaited.event, onEvent).on('close', onClose)
  return promise
}
