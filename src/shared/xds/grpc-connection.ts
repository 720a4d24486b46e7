import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { connectH2, type H2ClientConnection } from '#shared/http2'
import type { ControlPlaneEndpoint } from './endpoint.ts'
import { KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS } from './rpc.ts'

/** TCP and TLS together. */
const CONNECT_TIMEOUT_MS = 5_000
const TCP_KEEPALIVE_MS = 300_000

/**
 * Makes one connection to a control plane: TLS 1.3 (1.2 when allowed), no client certificate, the server checked
 * against the roots and against the host's name or the alternative one; an address is checked as one.
 *
 * @param rootsPem undefined = the roots of the operating system
 * @throws MeshError `XDS_STREAM_LOST` with what failed, or after 5 s; `CONFIG_INVALID` when the roots are not PEM
 */
export async function connectControlPlane(
  endpoint: ControlPlaneEndpoint,
  rootsPem: string | undefined,
  clock: Clock,
): Promise<H2ClientConnection> {
  const { host, port } = endpoint
  const secureContext = contextOf(endpoint, rootsPem)
  const raw = connectTcp({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS })
  let socket: Socket = raw
  const { promise, resolve, reject } = Promise.withResolvers<H2ClientConnection>()
  const fail = (why: string, cause?: unknown): void => {
    reject(new MeshError('XDS_STREAM_LOST', `no connection to ${addressOf(endpoint)}: ${why}`, { cause }))
    socket.destroy()
    raw.destroy()
  }
  const timer = clock.setTimer(CONNECT_TIMEOUT_MS, () => fail(`not within ${CONNECT_TIMEOUT_MS} ms`))
  // When every address of a name fails, Node's error has a code and no message.
  raw.on('error', (error: NodeJS.ErrnoException) => fail(reasonOf(error) || (error.code ?? 'unknown'), error))
  raw.once('connect', () => {
    const secured = connectTls({
      socket: raw,
      secureContext,
      ALPNProtocols: ['h2'],
      // An address is no server name (RFC 6066 §3).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (_name, certificate) => {
        const problem = checkServerIdentity(host, certificate)
        if (problem === undefined || endpoint.alternativeHost === undefined) return problem
        return checkServerIdentity(endpoint.alternativeHost, certificate)
      },
    })
    socket = secured
    const refused = (error: Error): void => fail(reasonOf(error), error)
    const closed = (): void => fail('closed in the hand-shake')
    secured.on('error', refused).once('close', closed)
    secured.once('secureConnect', () => {
      if (secured.alpnProtocol !== 'h2') return void fail('the server does not speak HTTP/2')
      secured.off('close', closed)
      resolve(
        connectH2(secured, { clock, limits: { pingIntervalMs: KEEPALIVE_MS, pingTimeoutMs: KEEPALIVE_TIMEOUT_MS } }),
      )
    })
  })
  return promise.finally(() => timer.cancel())
}

/** `host:port`, as it stands in messages and in `:authority`. */
export function addressOf({ host, port }: ControlPlaneEndpoint): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function contextOf(endpoint: ControlPlaneEndpoint, rootsPem: string | undefined): SecureContext {
  if (rootsPem !== undefined && !rootsPem.includes('-----BEGIN CERTIFICATE-----'))
    throw new MeshError('CONFIG_INVALID', 'the roots of the control plane hold no PEM certificate')
  try {
    return createSecureContext({
      minVersion: endpoint.allowTls12 ? 'TLSv1.2' : 'TLSv1.3',
      ...(rootsPem === undefined ? {} : { ca: rootsPem }),
      ...(endpoint.keyExchangeGroups === undefined ? {} : { ecdhCurve: endpoint.keyExchangeGroups }),
    })
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', 'the roots of the control plane cannot be read', { cause })
  }
}
