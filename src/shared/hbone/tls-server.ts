import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import type { SpiffeId } from '#shared/model'
import { judgeClient, peerSpiffeIds, type WorkloadCertificate } from '#shared/pki'

/** A hand-shake that is done and a client that may speak. */
export interface VerifiedClient {
  readonly socket: TLSSocket
  readonly peer: SpiffeId
}

/**
 * Makes an accepted connection a tunnel's TLS connection: TLS 1.3 by the certificate's context, ALPN h2 when the client
 * offers any, a client certificate whose chain leads to the roots of our own identity, and a SPIFFE id of our own trust
 * domain. The socket is destroyed on failure.
 *
 * @throws MeshError `CLIENT_HANDSHAKE_FAILED`, `CLIENT_UNVERIFIED`
 */
export async function secureServer(
  socket: Socket,
  certificate: WorkloadCertificate,
  clock: Clock,
  handshakeTimeoutMs: number,
): Promise<VerifiedClient> {
  socket.setNoDelay(true)
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: certificate.secureContext,
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: ['h2'],
  })
  // Of the socket below: whatever it tells, the one above is destroyed with it, and reports.
  socket.on('error', () => secured.destroy())
  await handshaken(secured, clock, handshakeTimeoutMs)
  return { socket: secured, peer: verify(secured, certificate) }
}

function verify(socket: TLSSocket, certificate: WorkloadCertificate): SpiffeId {
  const fault = chainFault(socket)
  const verdict =
    fault === undefined
      ? judgeClient(peerSpiffeIds(socket), certificate.id)
      : ({ kind: 'refused', reason: `client's certificate: ${fault}` } as const)
  if (verdict.kind === 'accepted') return verdict.peer
  socket.destroy()
  throw new MeshError('CLIENT_UNVERIFIED', verdict.reason)
}

interface VerifyingHandle {
  verifyError(): (Error & { readonly code?: string }) | null | undefined
}

/**
 * What OpenSSL found wrong with the client's chain; undefined when nothing.
 *
 * `TLSSocket.authorized` is set only by `tls.Server`, which cannot take a ready context, so that its handle has to be
 * asked, as `tls.Server` does. Undocumented: when it cannot be asked, nobody is let in.
 */
function chainFault(socket: TLSSocket): string | undefined {
  const handle = (socket as unknown as { readonly _handle: Partial<VerifyingHandle> | null })._handle
  if (typeof handle?.verifyError !== 'function') return 'this version of Node does not tell whether it was verified'
  const error = handle.verifyError()
  return error == null ? undefined : (error.code ?? error.message)
}

function handshaken(socket: TLSSocket, clock: Clock, timeoutMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const finish = (reason: string | undefined, cause?: Error): void => {
    timer.cancel()
    socket.off('secure', onSecure).off('end', onClose).off('close', onClose)
    if (reason === undefined) {
      resolve()
      return
    }
    reject(new MeshError('CLIENT_HANDSHAKE_FAILED', `tls handshake error: ${reason}`, { cause }))
    socket.destroy()
  }
  const timer = clock.setTimer(timeoutMs, () => finish(`not done within ${timeoutMs} ms`))
  const onSecure = (): void => finish(undefined)
  const onClose = (): void => finish('closed by the peer')
  // Stays: a later error must have somebody to hear it.
  socket.on('error', (error) => finish(error.message, error))
  // A half-open socket is not closed by its end.
  socket.on('secure', onSecure).on('end', onClose).on('close', onClose)
  if (socket.destroyed) finish('closed')
  return promise
}
