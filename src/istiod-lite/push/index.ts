export type { SyncState, TypeProgress } from './client-log.ts'
export { type PushClient, PushServer, type PushSettings } from './push-server.ts'
