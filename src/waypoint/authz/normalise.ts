import { MeshError } from '#shared/errors'
import type { LocalReply, RequestHead } from '../codec/index.ts'
import { normaliseHost } from './normalise-host.ts'
import { normaliseMethod } from './normalise-method.ts'
import { normalisePath, type PathNormalization } from './normalise-path.ts'

/**
 * Brings method, authority and target of a request into the one form that policies and routes compare and the endpoint gets,
 * or refuses what has none.
 */
export function normalise(request: RequestHead, mode: PathNormalization): LocalReply | undefined {
  if (normaliseMethod(request.method) === undefined) return odd('method')
  const authority = normaliseHost(request.authority)
  if (authority === undefined) return odd('host')
  const target = normalisePath(request.target, mode)
  if (target === undefined) return odd('path')
  request.authority = authority
  request.target = target
  return undefined
}

/** What was sent is not repeated: it is the client's, and may be meant for whoever reads the log. */
function odd(part: 'method' | 'host' | 'path'): LocalReply {
  return {
    kind: 'reply',
    status: 400,
    body: 'Bad Request',
    fields: [],
    grpcStatus: undefined,
    flag: 'DPE',
    details: `${part}_normalization_failed`,
    cause: new MeshError('REQUEST_MALFORMED', `the request's ${part} can be read in more than one way`),
  }
}
