import { H2ErrorCode, type HeaderList } from '#shared/http2'
import { type RpcStatus, rpcCodes } from './rpc.ts'

const httpStatusCodes: ReadonlyMap<string, number> = new Map([
  ['400', rpcCodes.internal],
  ['401', rpcCodes.unauthenticated],
  ['403', rpcCodes.permissionDenied],
  ['404', rpcCodes.unimplemented],
  ['429', rpcCodes.unavailable],
  ['502', rpcCodes.unavailable],
  ['503', rpcCodes.unavailable],
  ['504', rpcCodes.unavailable],
])

/** The status that a last header carries; undefined when it carries none (gRPC over HTTP/2, "Responses"). */
export function statusIn(headers: HeaderList): RpcStatus | undefined {
  const code = headerOf(headers, 'grpc-status')
  if (code === undefined || !/^\d{1,3}$/.test(code)) return undefined
  return { code: Number(code), message: percentDecoded(headerOf(headers, 'grpc-message') ?? '') }
}

/** Why a response is none of gRPC, by its first header; undefined when it is one. */
export function problemWith(headers: HeaderList): RpcStatus | undefined {
  const status = headerOf(headers, ':status') ?? ''
  if (status !== '200')
    return { code: httpStatusCodes.get(status) ?? rpcCodes.unknown, message: `HTTP status ${status}` }
  const type = headerOf(headers, 'content-type') ?? ''
  if (type.startsWith('application/grpc')) return undefined
  return { code: rpcCodes.unknown, message: `content type ${JSON.stringify(type.slice(0, 128))}` }
}

/** A stream that ended by RST_STREAM, a guard, or with its connection. */
export function statusOfReset(code: number, reason: string, isConnectionLost: boolean): RpcStatus {
  const message = `${reason} (HTTP/2 error ${code})`
  if (isConnectionLost || code === H2ErrorCode.REFUSED_STREAM) return { code: rpcCodes.unavailable, message }
  if (code === H2ErrorCode.CANCEL) return { code: rpcCodes.cancelled, message }
  if (code === H2ErrorCode.ENHANCE_YOUR_CALM) return { code: rpcCodes.resourceExhausted, message }
  return { code: rpcCodes.internal, message }
}

function headerOf(headers: HeaderList, name: string): string | undefined {
  return headers.find(([found]) => found === name)?.[1]
}

/** Text that is not percent-encoded UTF-8 is kept as it came. */
function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
