import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import { ApiError, badRequest } from '../api-error.ts'
import type { Scope } from '../objects/index.ts'
import type {
  ApiObject,
  Authenticator,
  OpenApi,
  RequestContext,
  ResourceRegistry,
  ReviewDefinition,
  StreamHandler,
  UserInfo,
} from '../types.ts'
import { answerDiscovery, answerOpenApi, notServed } from './discovery-handler.ts'
import { identify } from './identify.ts'
import { wantedAnswer } from './negotiate.ts'
import { OpenStreams } from './open-streams.ts'
import { attributesOf, authorize, type Target, targetOf, urlOf, verbOf } from './plan-request.ts'
import { writeOptionsOf } from './query.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { handleResource } from './resource-handler.ts'
import { bodyOf, find, type ResourceServices } from './resource-services.ts'
import { type ResourcePath, routeOf } from './route.ts'
import { sendObject, sendStatus, Warnings } from './send.ts'
import type { StaticPaths } from './static-paths.ts'

export interface RequestServices extends ResourceServices {
  readonly registry: ResourceRegistry
  readonly authenticator: Authenticator
  readonly openApi: OpenApi
  /** Undefined: pods cannot be reached from here. */
  readonly streams: StreamHandler | undefined
  readonly staticPaths: StaticPaths
  readonly clock: Clock
  readonly logger: Logger
}

/** From an HTTP request to its answer. Each request is answered, whatever is thrown. */
export class RequestHandler {
  readonly #services: RequestServices
  /** To be ended with the server. */
  readonly streams: OpenStreams = new OpenStreams()

  constructor(services: RequestServices) {
    this.#services = services
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response)
    } catch (error) {
      const refusal = this.#refusalOf(error, request)
      // What was not read of the body would be taken for the next request.
      if (!request.complete) response.setHeader('Connection', 'close')
      sendStatus(response, refusal.status)
    }
  }

  /** A request that wants the connection for itself: exec, attach, port-forward. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    try {
      const { user, url, route } = await this.#begin(request)
      if (route.kind !== 'resource') throw badRequest('this path is no stream')
      // exec and attach over WebSocket are GETs, yet they are rights to create.
      const { scope, pod } = this.#stream(user, route.at, url.searchParams, 'create', new Warnings())
      const { streams } = this.#services
      if (streams === undefined) throw new ApiError('ServiceUnavailable', 'pods cannot be reached from this server')
      this.streams.add(socket)
      streams.upgrade({ request, socket, head, query: url.searchParams, context: scope.context, pod })
    } catch (error) {
      refuseUpgrade(socket, this.#refusalOf(error, request).status)
    }
  }

  async #begin(request: IncomingMessage): Promise<{
    readonly user: UserInfo
    readonly url: URL
    readonly route: NonNullable<ReturnType<typeof routeOf>>
  }> {
    const { authenticator, authorizer } = this.#services
    const url = urlOf(request.url ?? '/')
    const route = routeOf(url.pathname)
    if (route === undefined) throw badRequest('the path cannot be read')
    return { user: await identify(request, authenticator, authorizer), url, route }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { registry, authorizer, openApi, staticPaths } = this.#services
    const { user, url, route } = await this.#begin(request)
    const { method = 'GET', headers } = request
    if (route.kind === 'resource') return this.#answerResource(request, response, user, url.searchParams, route.at)
    authorize(authorizer, { kind: 'path', user, verb: method.toLowerCase(), path: route.path })
    if (method !== 'GET' && method !== 'HEAD')
      throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    if (route.kind === 'discovery') answerDiscovery(response, route, headers.accept ?? '', registry)
    else if (route.kind === 'openapi') answerOpenApi(response, route.path, url.searchParams, openApi)
    else if (!(await staticPaths.answer(route.path, response))) throw notServed()
  }

  async #answerResource(
    request: IncomingMessage,
    response: ServerResponse,
    user: UserInfo,
    query: URLSearchParams,
    path: ResourcePath,
  ): Promise<void> {
    const { registry, authorizer } = this.#services
    const target = targetOf(path, registry)
    const verb = verbOf(request.method ?? 'GET', path, query)
    authorize(authorizer, attributesOf(user, verb, path, target, query))
    const warnings = new Warnings()
    const context = contextOf(request, user, verb, path, query, warnings)
    if (target.kind === 'review') return this.#review(request, response, target.definition, context, warnings)
    const { definition, version } = target
    if (path.subresource === '' && !definition.verbs.includes(verb))
      throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    if (definition.subresources.get(path.subresource)?.kind === 'stream')
      return this.#serveStream(request, response, { definition, version, context }, query)
    const wanted = wantedAnswer(request.headers.accept ?? '')
    const scope = { definition, version, context }
    return handleResource({ request, response, query, scope, wanted, warnings }, this.#services)
  }

  async #serveStream(
    request: IncomingMessage,
    response: ServerResponse,
    scope: Scope,
    query: URLSearchParams,
  ): Promise<void> {
    const { streams } = this.#services
    const pod = find(scope, this.#services)
    if (streams === undefined) throw new ApiError('ServiceUnavailable', 'pods cannot be reached from this server')
    this.streams.add(response)
    await streams.serve({ request, response, query, context: scope.context, pod })
  }

  async #review(
    request: IncomingMessage,
    response: ServerResponse,
    definition: ReviewDefinition,
    context: RequestContext,
    warnings: Warnings,
  ): Promise<void> {
    if (context.verb !== 'create' || context.name !== '')
      throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    const { value } = await bodyOf({ request }, this.#services.parts)
    if (typeof value !== 'object' || value === null) throw badRequest('the body is no object')
    // What a review needs of its body it checks itself.
    const answer = await definition.review(value as ApiObject, context)
    sendObject(response, 201, answer, 'json', warnings)
  }

  #stream(
    user: UserInfo,
    path: ResourcePath,
    query: URLSearchParams,
    verb: 'create' | 'get',
    warnings: Warnings,
  ): { readonly scope: Scope; readonly pod: ApiObject } {
    const { registry, authorizer } = this.#services
    const target: Target = targetOf(path, registry)
    if (target.kind !== 'resource' || target.definition.subresources.get(path.subresource)?.kind !== 'stream')
      throw badRequest('this path is no stream')
    authorize(authorizer, attributesOf(user, verb, path, target, query))
    const write = writeOptionsOf(new URLSearchParams(), '')
    const context = { ...path, user, verb, write, warn: (line: string) => warnings.add(line) }
    const scope = { definition: target.definition, version: target.version, context }
    return { scope, pod: find(scope, this.#services) }
  }

  #refusalOf(error: unknown, request: IncomingMessage): ApiError {
    if (error instanceof ApiError) return error
    if (error instanceof MeshError && error.code === 'STORE_FAILED')
      return new ApiError('ServiceUnavailable', error.message)
    // The client went away in the middle of its body; there is nobody to answer and nothing to mend.
    if (request.destroyed && !request.complete) return badRequest('the request was not whole')
    this.#services.logger.error('a request failed', {
      method: request.method,
      path: (request.url ?? '').slice(0, 256),
      error: error instanceof Error ? (error.stack ?? error.message) : reasonOf(error),
    })
    return new ApiError('InternalError', 'Internal error occurred; the server has logged why')
  }
}

function contextOf(
  request: IncomingMessage,
  user: UserInfo,
  verb: RequestContext['verb'],
  path: ResourcePath,
  query: URLSearchParams,
  warnings: Warnings,
): RequestContext {
  const write = writeOptionsOf(query, request.headers['user-agent'] ?? '')
  return { ...path, user, verb, write, warn: (line) => warnings.add(line) }
}
