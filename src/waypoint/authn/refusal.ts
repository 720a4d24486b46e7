import { MeshError } from '#shared/errors'
import type { LocalReply, RequestHead } from '../codec/index.ts'
import type { TokenProblem } from './token-problem.ts'

/** Of the URL that is shown back. */
const MAX_REALM_CHARS = 256
const UNAUTHENTICATED = 16
const PERMISSION_DENIED = 7

/** Envoy's answer: the reason as the body, and 403 for a good token that is for somebody else. */
export function refusal(request: RequestHead, problem: TokenProblem): LocalReply {
  const isForeign = problem === 'Audiences in Jwt are not allowed'
  const code = problem === 'Jwks remote fetch is failed' ? 'TOKEN_KEYS_UNAVAILABLE' : 'TOKEN_INVALID'
  return {
    kind: 'reply',
    status: isForeign ? 403 : 401,
    body: problem,
    fields: [['www-authenticate', `Bearer realm="${realmOf(request)}", error="invalid_token"`]],
    grpcStatus: isForeign ? PERMISSION_DENIED : UNAUTHENTICATED,
    flag: '',
    details: `jwt_authn_access_denied{${problem.replaceAll(' ', '_')}}`,
    cause: new MeshError(code, problem),
  }
}

/** The URL that was asked for, without its query, in which a token may be. */
function realmOf({ scheme, authority, target }: RequestHead): string {
  const [path = ''] = target.split('?', 1)
  const url = `${scheme}://${authority}${path}`.slice(0, MAX_REALM_CHARS)
  return url.replace(
    /[^\x21-\x7e]|["\\]/g,
    (odd) => `%${odd.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
