export type { SyncState, TypeProgress } from './client-log.ts'
export { meshTypes } from './mesh-types.ts'
export { type PushClient, PushServer, type PushSettings } from './push-server.ts'
export { type PushType, plainType, versioned } from './push-type.ts'
