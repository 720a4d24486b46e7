import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { ApiError, forbidden } from '../api-error.ts'
import { anonymous } from '../auth/index.ts'
import type { Authenticator, Authorizer, Credentials, UserInfo } from '../types.ts'

/** A WebSocket subprotocol in which browsers carry a token: they cannot set headers. */
const TOKEN_PROTOCOL = 'base64url.bearer.authorization.k8s.io.'
const MAX_GROUPS = 64

/** Who sent a request. @throws ApiError Unauthorized for a credential that is wrong */
export async function identify(
  request: IncomingMessage,
  authenticator: Authenticator,
  authorizer: Authorizer,
): Promise<UserInfo> {
  const outcome = await authenticator.authenticate(credentialsOf(request))
  if (outcome.kind === 'refused') throw new ApiError('Unauthorized', 'Unauthorized')
  const user = outcome.kind === 'user' ? outcome.user : anonymous
  return impersonated(request, user, authorizer)
}

/** @throws ApiError Unauthorized for a client certificate that the server's CA did not sign */
function credentialsOf(request: IncomingMessage): Credentials {
  const { authorization } = request.headers
  const bearer = authorization === undefined ? null : /^Bearer +(\S+) *$/i.exec(authorization)
  if (authorization !== undefined && bearer === null) throw new ApiError('Unauthorized', 'Unauthorized')
  return {
    clientCertificate: certificateOf(request.socket as TLSSocket),
    bearerToken: bearer?.[1] ?? protocolToken(request),
  }
}

function certificateOf(socket: TLSSocket): Credentials['clientCertificate'] {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  if (!socket.authorized) throw new ApiError('Unauthorized', 'Unauthorized')
  const { subject } = socket.getPeerCertificate()
  const commonName = [subject.CN].flat()[0]
  if (commonName === undefined) throw new ApiError('Unauthorized', 'Unauthorized')
  return { commonName, organizations: [subject.O ?? []].flat() }
}

function protocolToken(request: IncomingMessage): string | undefined {
  const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((text) => text.trim())
  const token = protocols.find((protocol) => protocol.startsWith(TOKEN_PROTOCOL))
  return token === undefined ? undefined : Buffer.from(token.slice(TOKEN_PROTOCOL.length), 'base64url').toString()
}

/** `kubectl --as`: whoever may impersonate is taken for somebody else. @throws ApiError Forbidden */
function impersonated(request: IncomingMessage, user: UserInfo, authorizer: Authorizer): UserInfo {
  const { headers } = request
  const username = headers['impersonate-user']
  const groups = request.headersDistinct['impersonate-group'] ?? []
  if (typeof username !== 'string') {
    if (groups.length > 0) throw new ApiError('BadRequest', 'requested groups without impersonating a user')
    return user
  }
  const serviceAccount = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username)
  const [resource, namespace, name] =
    serviceAccount === null
      ? ['users', '', username]
      : ['serviceaccounts', serviceAccount[1] ?? '', serviceAccount[2] ?? '']
  mayImpersonate(user, authorizer, resource, namespace, name)
  for (const group of groups.slice(0, MAX_GROUPS)) mayImpersonate(user, authorizer, 'groups', '', group)
  const implied =
    serviceAccount === null ? [] : ['system:serviceaccounts', `system:serviceaccounts:${serviceAccount[1]}`]
  const all = new Set([...groups.slice(0, MAX_GROUPS), ...implied, 'system:authenticated'])
  return { username, uid: '', groups: [...all], extra: {} }
}

function mayImpersonate(
  user: UserInfo,
  authorizer: Authorizer,
  resource: string,
  namespace: string,
  name: string,
): void {
  const attributes = {
    verb: 'impersonate',
    group: '',
    version: 'v1',
    resource,
    subresource: '',
    namespace,
    name,
  } as const
  const outcome = authorizer.authorize({ kind: 'resource', user, ...attributes })
  if (outcome.kind === 'allowed') return
  const why = `User ${JSON.stringify(user.username)} cannot impersonate resource ${JSON.stringify(resource)} in API group "" at the cluster scope`
  throw forbidden({ group: '', plural: resource, kind: resource }, name, why)
}
