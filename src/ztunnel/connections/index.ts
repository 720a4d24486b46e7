export { ConnectionTable } from './connection-table.ts'
export { tellOpen } from './tell-open.ts'
export type {
  Connection,
  ConnectionCloseReason,
  ConnectionRecord,
  DeniedBy,
  InboundConnectionRecord,
  OutboundConnectionRecord,
} from './types.ts'
