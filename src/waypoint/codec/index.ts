export { Deadlines } from './deadlines.ts'
export { ExchangeWithBody } from './exchange-with-body.ts'
export { Http1Client } from './http1/client-connection.ts'
export { type Http1ServerSettings, serveHttp1 } from './http1/server-connection.ts'
export { DEFAULT_HTTP1, type Http1Settings } from './http1/settings.ts'
export {
  connectHttp2,
  type Http2ClientSettings,
  type Http2ServerSettings,
  ListFields,
  serveHttp2,
} from './http2/index.ts'
export type { LocalReply, ResponseFlag } from './local-reply.ts'
export { grpcStatusOf, isGrpc, sendReply } from './reply.ts'
export type * from './types.ts'
