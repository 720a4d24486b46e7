export type * from './types.ts'
export { createUpstream, type UpstreamSettings } from './upstream.ts'
