export { connectZds, type ZdsClientOptions } from './client.ts'
export { serveZds, type ZdsServerOptions } from './server.ts'
export type * from './types.ts'
