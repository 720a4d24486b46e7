import { ListFields } from './http2/list-fields.ts'
import type { LocalReply } from './local-reply.ts'
import type { Exchange, RequestHead } from './types.ts'

const UNKNOWN = 2

/** What an HTTP status says to a client of gRPC that sees no other (grpc/doc/http-grpc-status-mapping.md). */
const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
}

/** Whether a request wants its answer's status in trailers. */
export function isGrpc({ fields }: RequestHead): boolean {
  const type = fields.get('content-type')
  return type !== undefined && /^application\/grpc(?:$|[+;])/.test(type)
}

/** What a client of gRPC is told by it. */
export function grpcStatusOf(reply: LocalReply): number {
  return reply.grpcStatus ?? GRPC_STATUS[reply.status] ?? UNKNOWN
}

/** Answers with what we say ourselves; clients of gRPC get it as an answer of trailers only. The rest of the request is thrown away. */
export function sendReply(exchange: Exchange, reply: LocalReply): void {
  const { request } = exchange
  exchange.body.discard()
  const fields = new ListFields(reply.fields.map(([name, value]) => [name, value] as const))
  if (isGrpc(request)) {
    fields.set('content-type', 'application/grpc')
    fields.set('grpc-status', String(grpcStatusOf(reply)))
    const words = typeof reply.body === 'string' ? reply.body : ''
    if (words !== '') fields.set('grpc-message', grpcMessage(words))
    exchange.respond({ version: request.version, status: 200, fields }, 0).end(undefined)
    return
  }
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  if (body.length > 0 && !fields.has('content-type')) fields.set('content-type', 'text/plain')
  const sink = exchange.respond({ version: request.version, status: reply.status, fields }, body.length)
  if (body.length > 0) sink.write(body, 0, body.length)
  sink.end(undefined)
}

/** Everything but visible ASCII is percent-encoded, as is the percent sign (gRPC over HTTP/2, "Status-Message"). */
function grpcMessage(words: string): string {
  return Buffer.from(words)
    .toString('latin1')
    .replaceAll(
      /[^\x20-\x24\x26-\x7e]/g,
      (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
}
