import { ApiError, badRequest, notFound } from '../api-error.ts'
import { listObjects, readObject } from '../objects/index.ts'
import type { ApiObject, ServerParts, Subresource } from '../types.ts'
import { readBody } from './body.ts'
import { decodeBody } from './decode-body.ts'
import { notServed } from './discovery-handler.ts'
import { answerList, answerObject, type Exchange } from './exchange.ts'
import { patchObject } from './patch-handler.ts'
import { deleteOptionsOf, listOptionsOf } from './query.ts'
import { bodyOf, find, methodNotAllowed, type ResourceServices } from './resource-services.ts'
import { answerScale } from './scale-handler.ts'
import { sendObject } from './send.ts'

/** Answers requests for one resource: the request is routed, authenticated and allowed. */
export async function handleResource(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope } = exchange
  const { context } = scope
  if (context.subresource !== '') return handleSubresource(exchange, services)
  if (context.verb === 'watch') return services.watches.handle(exchange, listOptionsOf(exchange.query))
  if (context.verb === 'list') {
    const listing = listObjects(services.store, scope, listOptionsOf(exchange.query))
    await services.store.settled()
    return answerList(exchange, listing, services.clock)
  }
  if (context.verb === 'deletecollection') return deleteCollection(exchange, services)
  if (context.verb === 'create') return create(exchange, services)
  if (context.verb === 'get') return get(exchange, services)
  if (context.verb === 'update') return put(exchange, services)
  if (context.verb === 'patch') return patchObject(exchange, services)
  return remove(exchange, services)
}

async function get(exchange: Exchange, services: ResourceServices): Promise<void> {
  const object = find(exchange.scope, services)
  await services.store.settled()
  answerObject(exchange, 200, object, services.clock)
}

async function create(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope } = exchange
  if (scope.definition.isNamespaced && scope.context.namespace === '')
    throw badRequest('an empty namespace may not be set during creation')
  const body = await bodyOf(exchange, services.parts)
  const written = await services.writer.create(scope, readObject(body.value, scope), body.duplicates)
  answerObject(exchange, 201, written.object, services.clock)
}

async function put(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope } = exchange
  const { name } = scope.context
  const body = await bodyOf(exchange, services.parts)
  const object = readObject(body.value, scope)
  const written = await services.writer.write(scope, name, (current) => {
    if (current === undefined) throw notFound(scope.definition, name)
    return { object, duplicates: body.duplicates, hasManagedFields: false }
  })
  answerObject(exchange, 200, written.object, services.clock)
}

async function remove(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope } = exchange
  const { definition, context } = scope
  const options = deleteOptionsOf(exchange.query, await optionsBody(exchange, services.parts))
  const removal = await services.remover.remove(scope, context.name, options)
  if (removal.kind === 'deleting') return answerObject(exchange, 200, removal.object, services.clock)
  const { group, plural } = definition
  const { uid = '' } = removal.object.metadata
  const details = { name: context.name, ...(group === '' ? {} : { group }), kind: plural, uid }
  sendObject(
    exchange.response,
    200,
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
    exchange.wanted.syntax,
    exchange.warnings,
  )
}

async function deleteCollection(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope } = exchange
  const options = deleteOptionsOf(exchange.query, await optionsBody(exchange, services.parts))
  const listing = listObjects(services.store, scope, listOptionsOf(exchange.query))
  for (const { metadata } of listing.items) {
    const context = { ...scope.context, name: metadata.name, namespace: metadata.namespace ?? '' }
    try {
      await services.remover.remove({ ...scope, context }, metadata.name, options)
    } catch (error) {
      // Somebody else was faster.
      if (!(error instanceof ApiError) || error.status.reason !== 'NotFound') throw error
    }
  }
  answerList(exchange, listing, services.clock)
}

function handleSubresource(exchange: Exchange, services: ResourceServices): Promise<void> {
  const { scope } = exchange
  const { definition, context } = scope
  const subresource = definition.subresources.get(context.subresource)
  const isKnown = subresource !== undefined && context.name !== ''
  if (!isKnown) throw notServed()
  if (subresource.kind === 'scale') return answerScale(exchange, services, subresource.paths)
  if (subresource.kind === 'action') return act(exchange, services, subresource)
  if (subresource.kind === 'stream') throw badRequest('an upgrade of the connection is needed')
  if (context.verb === 'get') return get(exchange, services)
  if (context.verb === 'update') return put(exchange, services)
  if (context.verb === 'patch') return patchObject(exchange, services)
  throw methodNotAllowed()
}

async function act(
  exchange: Exchange,
  services: ResourceServices,
  action: Extract<Subresource, { kind: 'action' }>,
): Promise<void> {
  const { scope } = exchange
  const { method } = exchange.request
  if (method !== action.method) throw methodNotAllowed()
  const target = find(scope, services)
  const body = await bodyOf(exchange, services.parts)
  // What a body of this kind holds is for the action to check.
  const object = (body.value ?? {}) as ApiObject
  const answer = await action.run(target, object, scope.context, services.access)
  sendObject(exchange.response, method === 'POST' ? 201 : 200, answer, exchange.wanted.syntax, exchange.warnings)
}

/** DeleteOptions, which may be missing. */
async function optionsBody(exchange: Exchange, parts: ServerParts): Promise<Readonly<Record<string, unknown>>> {
  const { request } = exchange
  const body = await readBody(request)
  if (body.length === 0) return {}
  const { value } = decodeBody(body, request.headers['content-type'] ?? '', parts.decodeProtobuf)
  if (typeof value !== 'object' || value === null) throw badRequest('DeleteOptions must be an object')
  return value as Readonly<Record<string, unknown>>
}
