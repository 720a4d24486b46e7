import { badRequest, notFound } from '../api-error.ts'
import { scaleOf, withScale } from '../objects/index.ts'
import type { ApiObject, ScalePaths } from '../types.ts'
import { readBody } from './body.ts'
import { decodeJson, mediaTypeOf, unsupported } from './decode-body.ts'
import type { Exchange } from './exchange.ts'
import { bodyOf, find, methodNotAllowed, type ResourceServices } from './resource-services.ts'
import { sendObject } from './send.ts'

/** GET, PUT and merge PATCH of the scale subresource. */
export async function answerScale(exchange: Exchange, services: ResourceServices, paths: ScalePaths): Promise<void> {
  const { scope, response, wanted, warnings } = exchange
  const { verb } = scope.context
  if (verb === 'get') {
    const object = find(scope, services)
    await services.store.settled()
    sendObject(response, 200, scaleOf(object, paths), wanted.syntax)
    return
  }
  if (verb !== 'update' && verb !== 'patch') throw methodNotAllowed()
  const change = verb === 'update' ? await replacement(exchange, services) : await patch(exchange, services)
  const { name } = scope.context
  const written = await services.writer.write(scope, name, (current) => {
    if (current === undefined) throw notFound(scope.definition, name)
    const object = withScale(current, change(scaleOf(current, paths)), paths)
    return { object, duplicates: [], hasManagedFields: false }
  })
  sendObject(response, 200, scaleOf(written.object, paths), wanted.syntax, warnings)
}

type ScaleChange = (scale: ApiObject) => ApiObject

async function replacement(exchange: Exchange, services: ResourceServices): Promise<ScaleChange> {
  const { value } = await bodyOf(exchange, services.parts)
  if (typeof value !== 'object' || value === null) throw badRequest('the body is no Scale')
  const scale = value as ApiObject
  return () => ({ ...scale, metadata: scale.metadata ?? { name: exchange.scope.context.name } })
}

async function patch(exchange: Exchange, services: ResourceServices): Promise<ScaleChange> {
  const type = mediaTypeOf(exchange.request.headers['content-type'] ?? '')
  const kind = type === 'application/json-patch+json' ? 'json' : 'merge'
  const isKnown = kind === 'json' || type === 'application/merge-patch+json' || type.startsWith('application/strategic')
  if (!isKnown) throw unsupported(['application/json-patch+json', 'application/merge-patch+json'])
  const { value } = decodeJson(await readBody(exchange.request))
  const { definition, version } = exchange.scope
  return (scale) => {
    const outcome = services.parts.applyPatch(kind, scale, value, definition, version)
    if (outcome.kind !== 'patched') throw badRequest(outcome.problem)
    return outcome.object
  }
}
