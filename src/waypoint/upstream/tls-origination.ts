import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { UpstreamTls } from '#shared/l7'
import type { Cancellation } from '#shared/lifecycle'
import { subjectAltNamesOf } from '#shared/pki'
import { givenUp } from './given-up.ts'
import type { HttpProtocol } from './types.ts'

/** Files are read again after that, so that a certificate that was replaced is used without a restart. */
const FILES_LIVE_MS = 60_000

const ALPN: Readonly<Record<HttpProtocol, string>> = { http1: 'http/1.1', http2: 'h2' }

/** TLS of our own to endpoints, inside of the tunnel when there is one (`DestinationRule` `tls`: SIMPLE, MUTUAL). */
export class TlsOrigination {
  readonly #clock: Clock
  readonly #contexts = new WeakMap<
    UpstreamTls,
    { readonly context: Promise<SecureContext>; readonly readAtMs: number }
  >()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Makes a connected transport a TLS connection. The endpoint must prove one of `subjectAltNames`; without any, its
   * certificate must be for the server name, which is the host name of the service unless the rule names another.
   *
   * @param protocol offered; undefined = none, for opaque bytes
   * @throws MeshError `UPSTREAM_CONNECT_FAILED`, `PEER_UNVERIFIED`, `CERTIFICATE_UNAVAILABLE` (files of the rule),
   *   `CLIENT_GONE` when given up; the transport is destroyed then
   */
  async secure(
    transport: Duplex,
    tls: UpstreamTls,
    hostname: string,
    protocol: HttpProtocol | undefined,
    cancellation: Cancellation,
  ): Promise<TLSSocket> {
    try {
      const secureContext = await this.#contextOf(tls)
      if (cancellation.isCancelled) throw givenUp()
      const serverName = tls.sni === '' ? hostname : tls.sni
      const socket = connect({
        socket: transport,
        secureContext,
        // The chain is judged below, where its fault can be told from others.
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
        ...(isIP(serverName) === 0 && { servername: serverName }),
        ...(protocol !== undefined && { ALPNProtocols: [ALPN[protocol]] }),
      })
      // A transport that is no socket of the kernel does not tell of its end by itself.
      transport.on('close', () => socket.destroy())
      await handshaken(socket, cancellation)
      if (!tls.skipsVerification) verify(socket, tls.subjectAltNames, serverName)
      if (protocol === 'http2' && socket.alpnProtocol !== 'h2')
        throw new MeshError('UPSTREAM_CONNECT_FAILED', 'the endpoint does not take HTTP/2 in TLS')
      return socket
    } catch (error) {
      transport.destroy()
      throw error
    }
  }

  #contextOf(tls: UpstreamTls): Promise<SecureContext> {
    const known = this.#contexts.get(tls)
    const nowMs = this.#clock.monotonicMs()
    if (known !== undefined && nowMs - known.readAtMs < FILES_LIVE_MS) return known.context
    const context = contextFrom(tls)
    this.#contexts.set(tls, { context, readAtMs: nowMs })
    context.catch(() => this.#contexts.delete(tls))
    return context
  }
}

/** @throws MeshError `CERTIFICATE_UNAVAILABLE` */
async function contextFrom({ mode, caFile, certificateFile, keyFile }: UpstreamTls): Promise<SecureContext> {
  try {
    const [ca, cert, key] = await Promise.all([
      caFile === '' ? undefined : readFile(caFile),
      mode === 'mutual' ? readFile(certificateFile) : undefined,
      mode === 'mutual' ? readFile(keyFile) : undefined,
    ])
    return createSecureContext({ ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), minVersion: 'TLSv1.2' })
  } catch (error) {
    throw new MeshError('CERTIFICATE_UNAVAILABLE', `TLS files of a destination: ${reasonOf(error)}`, { cause: error })
  }
}

function handshaken(socket: TLSSocket, cancellation: Cancellation): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let error: Error | undefined
  const settle = (): void => {
    cancellation.onCancelled = undefined
    socket.off('secureConnect', onDone).off('close', onClose)
  }
  const onDone = (): void => {
    settle()
    resolve()
  }
  const onClose = (): void => {
    settle()
    const reason = error?.message ?? 'closed by the endpoint'
    reject(new MeshError('UPSTREAM_CONNECT_FAILED', `tls handshake: ${reason}`, { cause: error }))
  }
  // Stays: an error that comes later must have somebody to hear it.
  socket.on('error', (cause) => {
    error = cause
  })
  socket.on('secureConnect', onDone).on('close', onClose)
  cancellation.onCancelled = () => {
    settle()
    socket.destroy()
    reject(givenUp())
  }
  return promise
}

function verify(socket: TLSSocket, subjectAltNames: readonly string[], serverName: string): void {
  if (!socket.authorized)
    throw new MeshError('PEER_UNVERIFIED', `endpoint's certificate: ${reasonOf(socket.authorizationError)}`)
  const { raw } = socket.getPeerCertificate()
  const names = namesOf(raw)
  if (subjectAltNames.length > 0) {
    if (subjectAltNames.some((name) => names.includes(name))) return
    throw new MeshError('PEER_UNVERIFIED', "endpoint's certificate has none of the names that are asked for")
  }
  const certificate = new X509Certificate(raw)
  const isFor = isIP(serverName) === 0 ? certificate.checkHost(serverName) : certificate.checkIP(serverName)
  if (isFor === undefined)
    throw new MeshError('PEER_UNVERIFIED', `endpoint's certificate is not for ${JSON.stringify(serverName)}`)
}

function namesOf(certificateDer: Uint8Array): readonly string[] {
  return subjectAltNamesOf(certificateDer).flatMap((name) => (name.kind === 'other' ? [] : [name.value]))
}
