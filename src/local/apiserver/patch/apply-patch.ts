import { ApiError, badRequest } from '../api-error.ts'
import { objectSchema } from '../schema/index.ts'
import type { ApiObject, ApplyPatch, VersionDefinition } from '../types.ts'
import { isJsonObject, isTooDeep, type JsonObject } from './json-object.ts'
import { jsonPatch } from './json-patch.ts'
import { mergePatch } from './merge-patch.ts'
import { strategicPatch } from './strategic-patch.ts'

/** One patch of an object, by the kind of the request's media type; a custom kind takes no strategic one. */
export const applyPatch: ApplyPatch = (kind, current, body, definition, version) => {
  try {
    if (isTooDeep(body)) throw badRequest('the patch is nested too deeply')
    if (kind === 'strategic' && definition.origin === 'custom') {
      throw badRequest('custom resources take no strategic merge patch')
    }
    const patched = patchedBy(kind, current, body, version)
    if (!isJsonObject(patched)) throw new ApiError('Invalid', 'nothing but an object may be left of an object')
    if (isTooDeep(patched)) throw new ApiError('Invalid', 'the patched object would be nested too deeply')
    // Whether it still is an API object is checked by the server, like any other body.
    return { kind: 'patched', object: patched as ApiObject }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const kindOfProblem = error.status.reason === 'Invalid' ? 'inapplicable' : 'malformed'
    return { kind: kindOfProblem, problem: error.message }
  }
}

function patchedBy(
  kind: Parameters<ApplyPatch>[0],
  current: ApiObject,
  body: unknown,
  version: VersionDefinition,
): unknown {
  switch (kind) {
    case 'json':
      return jsonPatch(current, body)
    case 'merge':
      return mergePatch(current, requireObject(body))
    case 'strategic':
      return strategicPatch(current, requireObject(body), objectSchema(version.schema))
  }
}

function requireObject(body: unknown): JsonObject {
  if (!isJsonObject(body)) throw badRequest('the patch is no object')
  return body
}
