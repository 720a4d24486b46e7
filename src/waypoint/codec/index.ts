export {
  connectHttp2,
  type Http2ClientSettings,
  type Http2ServerSettings,
  ListFields,
  serveHttp2,
} from './http2/index.ts'
export type { LocalReply, ResponseFlag } from './local-reply.ts'
export type * from './types.ts'
