export type { LocalReply, ResponseFlag } from './local-reply.ts'
export type * from './types.ts'
