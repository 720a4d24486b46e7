export { connectHttp2, type Http2ClientSettings } from './client.ts'
export { ListFields } from './list-fields.ts'
export { type Http2ServerSettings, serveHttp2 } from './server.ts'
