import type { ConnectionPool } from '#shared/l7'
import type { AppProtocol } from '#shared/model'
import type { RequestHead } from '../codec/index.ts'
import type { HttpProtocol } from './types.ts'

/**
 * Which HTTP is spoken to an endpoint. gRPC is HTTP/2 whatever anybody declares. An upgrade of HTTP/1 stays what it is,
 * unless the port is declared as HTTP/2. A port that declares nothing is spoken to as the client speaks.
 */
export function protocolFor(
  { version, upgrade, fields }: RequestHead,
  appProtocol: AppProtocol | undefined,
  policy: ConnectionPool['upgrade'],
): HttpProtocol {
  const declared = declaredProtocol(appProtocol)
  const asClient: HttpProtocol = version === 'HTTP/2' ? 'http2' : 'http1'
  if (upgrade !== undefined) return declared === 'http2' ? 'http2' : 'http1'
  if (asClient === 'http2' && fields.get('content-type')?.startsWith('application/grpc') === true) return 'http2'
  switch (policy) {
    case 'always':
      return 'http2'
    case 'never':
      return declared ?? 'http1'
    case 'as-client':
      return asClient
    case 'default':
      return declared ?? asClient
  }
}

function declaredProtocol(appProtocol: AppProtocol | undefined): HttpProtocol | undefined {
  if (appProtocol === 'HTTP2' || appProtocol === 'GRPC') return 'http2'
  return appProtocol === 'HTTP11' ? 'http1' : undefined
}
