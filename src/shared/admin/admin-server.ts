import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'

/** What a route is asked. */
export interface AdminRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  /** Of the `Accept` header, empty when absent. */
  readonly accept: string
}

export interface AdminAnswer {
  readonly status: number
  /** Default `text/plain; charset=utf-8`. */
  readonly contentType?: string
  readonly body: string
  /** Sent as gzip to whoever takes it. */
  readonly isCompressible?: boolean
}

/** Answers every method of its path; the route itself refuses those it does not take. */
export type AdminRoute = (request: AdminRequest) => AdminAnswer | Promise<AdminAnswer>

/** By exact path. */
export type AdminRoutes = Readonly<Record<string, AdminRoute>>

export interface AdminServerSettings {
  /** For log lines. */
  readonly name: string
  readonly port: number
  /** `localhost` = 127.0.0.1 and, where there is one, ::1; `all` = every address. */
  readonly bind: 'localhost' | 'all'
  readonly isIpv6Enabled: boolean
  readonly routes: AdminRoutes
  readonly log: Logger
}

/** ztunnel gives a request header 2 s. */
const HEADER_TIMEOUT_MS = 2000
const REQUEST_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 30_000
const MAX_HEADER_BYTES = 16_384
const MAX_CONNECTIONS = 256

/** A small HTTP/1.1 server for health, metrics and dumps; other paths get 404 with an empty body. */
export class AdminServer implements Closer {
  readonly #servers: readonly Server[]

  private constructor(servers: readonly Server[]) {
    this.#servers = servers
  }

  /** @throws Error as node:net gives it when the port is taken */
  static async listen(settings: AdminServerSettings): Promise<AdminServer> {
    const servers: Server[] = []
    try {
      for (const { host, isOptional } of hostsOf(settings)) {
        const server = await listenOn(settings, host, isOptional, servers.length > 0 ? portOf(servers) : settings.port)
        if (server !== undefined) servers.push(server)
      }
    } catch (error) {
      for (const server of servers) server.close()
      throw error
    }
    return new AdminServer(servers)
  }

  /** The port, also when 0 was asked for. */
  get port(): number {
    return portOf(this.#servers)
  }

  /** Stops accepting at once and ends idle connections; a running answer is finished. */
  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeIdleConnections()
          }),
      ),
    )
  }
}

/** A route that takes one method only. */
export function only(method: 'GET' | 'POST', usage: string, route: AdminRoute): AdminRoute {
  return (request) => {
    const isTaken = request.method === method || (method === 'GET' && request.method === 'HEAD')
    return isTaken ? route(request) : { status: 405, body: usage }
  }
}

function hostsOf(settings: AdminServerSettings): readonly { readonly host: string; readonly isOptional: boolean }[] {
  if (settings.bind === 'all') return [{ host: settings.isIpv6Enabled ? '::' : '0.0.0.0', isOptional: false }]
  const v4 = { host: '127.0.0.1', isOptional: false }
  return settings.isIpv6Enabled ? [v4, { host: '::1', isOptional: true }] : [v4]
}

function listenOn(
  settings: AdminServerSettings,
  host: string,
  isOptional: boolean,
  port: number,
): Promise<Server | undefined> {
  const options = {
    headersTimeout: HEADER_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Node looks for late headers only this often.
    connectionsCheckingInterval: 500,
  }
  const server: Server = createServer(options, (request, response) => void answer(settings, server, request, response))
  server.maxConnections = MAX_CONNECTIONS
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      // A machine without IPv6 on its loopback still has an admin port.
      if (isOptional && (error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT')) resolve(undefined)
      else reject(error)
    })
    server.listen({ host, port }, () => {
      server.removeAllListeners('error')
      server.on('error', (error) => settings.log.warn(`${settings.name} server: ${error.message}`))
      resolve(server)
    })
  })
}

async function answer(
  settings: AdminServerSettings,
  server: Server,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume()
  response.on('error', () => response.destroy())
  const given = await answerOf(settings, request)
  // A server that is closing waits for its connections, so none is kept.
  if (!server.listening) response.setHeader('connection', 'close')
  const isZipped = given.isCompressible === true && isListed(request.headers['accept-encoding'], 'gzip')
  const body = isZipped ? await zipped(given.body) : Buffer.from(given.body)
  response.writeHead(given.status, {
    'content-type': given.contentType ?? 'text/plain; charset=utf-8',
    'content-length': body.length,
    ...(given.isCompressible ? { vary: 'accept-encoding' } : {}),
    ...(isZipped ? { 'content-encoding': 'gzip' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

const zipped = promisify(gzip)

/** Whether an `Accept` or `Accept-Encoding` header names a value and does not refuse it (RFC 9110 §12.4.2). */
export function isListed(header: string | readonly string[] | undefined, value: string): boolean {
  return String(header ?? '')
    .toLowerCase()
    .split(',')
    .some((entry) => {
      const [name = '', ...parameters] = entry.split(';').map((part) => part.trim())
      return name === value && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))
    })
}

async function answerOf(settings: AdminServerSettings, request: IncomingMessage): Promise<AdminAnswer> {
  const [path = '', query] = (request.url ?? '').split('?', 2)
  const route = Object.hasOwn(settings.routes, path) ? settings.routes[path] : undefined
  if (route === undefined) return { status: 404, body: '' }
  try {
    return await route({
      method: request.method ?? '',
      path,
      query: new URLSearchParams(query),
      accept: request.headers.accept ?? '',
    })
  } catch (error) {
    settings.log.error(`${settings.name} server: ${path} failed: ${String((error as Error)?.stack ?? error)}`)
    return { status: 500, body: 'this page failed, see the log\n' }
  }
}

function portOf(servers: readonly Server[]): number {
  const address = servers[0]?.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
