import type { IncomingMessage } from 'node:http'
import type { Clock } from '#shared/clock'
import type { Store } from '../../store/index.ts'
import { ApiError, notFound } from '../api-error.ts'
import { inVersion, keyOf, type ObjectRemover, type ObjectWriter, type Scope } from '../objects/index.ts'
import type { ApiObject, Authorizer, ObjectAccess, ServerParts } from '../types.ts'
import { readBody } from './body.ts'
import { type DecodedBody, decodeBody } from './decode-body.ts'
import type { WatchHandler } from './watch-handler.ts'

/** What the handlers of requests share. */
export interface ResourceServices {
  readonly store: Store
  readonly clock: Clock
  readonly authorizer: Authorizer
  readonly writer: ObjectWriter
  readonly remover: ObjectRemover
  readonly parts: ServerParts
  readonly access: ObjectAccess
  readonly watches: WatchHandler
}

/** @throws ApiError NotFound */
export function find(scope: Scope, { store }: Pick<ResourceServices, 'store'>): ApiObject {
  const stored = store.get(keyOf(scope))
  if (stored === undefined) throw notFound(scope.definition, scope.context.name)
  return inVersion(stored.object, scope)
}

export async function bodyOf(
  exchange: { readonly request: IncomingMessage },
  parts: ServerParts,
): Promise<DecodedBody> {
  const { request } = exchange
  return decodeBody(await readBody(request), request.headers['content-type'] ?? '', parts.decodeProtobuf)
}

export function methodNotAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
}
