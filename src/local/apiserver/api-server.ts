import { createServer, type Server, type ServerOptions } from 'node:https'
import type { AddressInfo, ListenOptions } from 'node:net'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { IpAddress } from '#shared/net'
import type { Logger } from '#shared/telemetry'
import type { Store } from '../store/index.ts'
import { InProcessAccess } from './access.ts'
import { ApiAuthority, createAuthenticator, type KeyPair, RbacAuthorizer, ServiceAccountTokens } from './auth/index.ts'
import { installBuiltins } from './builtin/index.ts'
import { EventExpiry } from './event-expiry.ts'
import type { OpenStreams } from './http/open-streams.ts'
import { RequestHandler } from './http/request-handler.ts'
import { StaticPaths } from './http/static-paths.ts'
import { WatchHandler } from './http/watch-handler.ts'
import { Admission, ObjectRemover, ObjectWriter } from './objects/index.ts'
import { Resources } from './registry.ts'
import type { AdmissionHook, ObjectAccess, PodBackend, ResourceRegistry, ServerParts } from './types.ts'

export interface ApiServerSettings {
  /** An address of this machine; loopback unless pods must reach it. */
  readonly host: IpAddress
  /** 0: any free one. */
  readonly port: number
  /** A listening TCP socket of loopback in another namespace, on which it serves as well; owned from here. */
  readonly inheritedFd: number | undefined
  /** Addresses besides loopback that the certificate is for. */
  readonly addresses: readonly IpAddress[]
  /** Where CA and token key are kept; undefined: nowhere. */
  readonly pkiDir: string | undefined
  readonly maxWatches: number
  readonly maxConnections: number
}

export const apiServerDefaults = {
  inheritedFd: undefined,
  addresses: [],
  maxWatches: 2048,
  maxConnections: 4096,
} as const
apiServerDefaults satisfies Partial<ApiServerSettings>

/** Time-outs against clients that hold connections without saying anything. */
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 60_000
const KEEP_ALIVE_MS = 75_000
const HANDSHAKE_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 64 * 1024
/** How long requests that are being answered may take when the server ends. */
const DRAIN_MS = 2_000

/** A running server. */
export interface ApiServer extends Closer {
  readonly url: string
  /** The inherited socket, for those who share its namespace. */
  readonly inheritedUrl: string | undefined
  readonly caPem: string
  readonly access: ObjectAccess
  readonly registry: ResourceRegistry
  readonly tokens: ServiceAccountTokens
  /** A client certificate for a user of one group (`system:masters`, `system:nodes`…). */
  issueClient(username: string, group: string): KeyPair
  /** @returns takes it away */
  addAdmission(hook: AdmissionHook): () => void
}

/**
 * Starts the Kubernetes API over a store: makes the resources known, those of stored CRDs too, and listens.
 *
 * @param backend where exec, logs and port-forward end; undefined: they are answered with 503
 * @throws MeshError `CERTIFICATE_INVALID` for a CA that cannot be used, `SYSCALL_FAILED` when it cannot listen
 */
export async function startApiServer(
  settings: ApiServerSettings,
  store: Store,
  parts: ServerParts,
  backend: PodBackend | undefined,
  clock: Clock,
  logger: Logger,
): Promise<ApiServer> {
  const registry = new Resources()
  const authority = ApiAuthority.open(settings.pkiDir, clock)
  const admission = new Admission(clock)
  const writer: ObjectWriter = new ObjectWriter(store, clock, parts.fieldManagement, admission, () => access)
  const remover = new ObjectRemover(store, clock, admission, writer)
  const access: ObjectAccess = new InProcessAccess({ store, clock, registry, parts, writer, remover })
  const tokens = new ServiceAccountTokens(authority.tokenKey, clock, (subject) => isAlive(store, subject))
  const authorizer = new RbacAuthorizer(store)
  const authenticator = createAuthenticator(tokens)
  await installBuiltins({ registry, access, parts, tokens, authenticator, authorizer, clock })
  const watches = new WatchHandler(store, clock, registry, settings.maxWatches, logger)
  let isListening = false
  const handler = new RequestHandler({
    store,
    clock,
    logger,
    writer,
    remover,
    parts,
    access,
    watches,
    registry,
    authenticator,
    authorizer,
    openApi: parts.createOpenApi(registry),
    streams: backend === undefined ? undefined : parts.createStreams(backend, clock),
    staticPaths: new StaticPaths(tokens, () => isListening && store.isWritable),
  })
  const { host, port, inheritedFd } = settings
  const create = httpsServers(authority, settings, handler)
  const server = create()
  await listen(server, { host, port }, `${host}:${port}`)
  const servers = [server]
  let inheritedUrl: string | undefined
  if (inheritedFd !== undefined) {
    const inherited = create()
    await listen(inherited, { fd: inheritedFd }, `descriptor ${inheritedFd}`)
    servers.push(inherited)
    inheritedUrl = urlOf(inherited)
  }
  isListening = true
  const eventExpiry = new EventExpiry(access, clock)
  const url = urlOf(server)
  logger.info('the Kubernetes API is served', { url, inheritedUrl })
  let closing: Promise<void> | undefined
  return {
    url,
    inheritedUrl,
    caPem: authority.caPem,
    access,
    registry,
    tokens,
    issueClient: (username, group) => authority.issueClient(username, group),
    addAdmission: (hook) => admission.add(hook),
    close: () => {
      isListening = false
      eventExpiry.stop()
      closing ??= end(servers, handler.streams, watches, clock)
      return closing
    },
  }
}

/** Makes servers of one certificate. */
function httpsServers(
  authority: ApiAuthority,
  { host, addresses, maxConnections }: ApiServerSettings,
  handler: RequestHandler,
): () => Server {
  const { certificatePem, privateKeyPem } = authority.issueServing([host, ...addresses])
  const options: ServerOptions = {
    cert: certificatePem,
    key: privateKeyPem,
    ca: authority.caPem,
    requestCert: true,
    // Clients without a certificate have tokens; a certificate that is wrong is refused with a Status.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  }
  return () => {
    const server = createServer(options, (request, response) => void handler.handle(request, response))
    server.maxConnections = maxConnections
    server.on('upgrade', (request, socket, head) => void handler.upgrade(request, socket, head))
    // A client that says no valid TLS; its socket has been closed.
    server.on('tlsClientError', () => undefined)
    return server
  }
}

function listen(server: Server, options: ListenOptions | { readonly fd: number }, where: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new MeshError('SYSCALL_FAILED', `cannot listen on ${where}: ${reasonOf(cause)}`, { cause })),
    )
    server.listen(options, () => resolve())
  })
}

function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo
  return `https://${address.includes(':') ? `[${address}]` : address}:${port}`
}

/** Watches and streams of pods end at once, requests get a moment, then connections go. */
async function end(
  servers: readonly Server[],
  streams: OpenStreams,
  watches: WatchHandler,
  clock: Clock,
): Promise<void> {
  const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
  watches.endAll()
  await streams.endAll()
  for (const server of servers) server.closeIdleConnections()
  const cut = (): void => {
    for (const server of servers) server.closeAllConnections()
  }
  const timer = clock.setTimer(DRAIN_MS, cut, true)
  await Promise.all(closed)
  timer.cancel()
}

/** Whether service account, pod and secret of a token are still those that it was issued for. */
function isAlive(store: Store, subject: Parameters<ConstructorParameters<typeof ServiceAccountTokens>[2]>[0]): boolean {
  const { namespace, serviceAccount, pod, secret } = subject
  const has = (resource: string, bound: { readonly name: string; readonly uid: string } | undefined): boolean =>
    bound === undefined || store.get({ resource, namespace, name: bound.name })?.object.metadata.uid === bound.uid
  return has('/serviceaccounts', serviceAccount) && has('/pods', pod) && has('/secrets', secret)
}
