export { ConnectionTable } from './connection-table.ts'
export type {
  Connection,
  ConnectionCloseReason,
  ConnectionRecord,
  InboundConnectionRecord,
  OutboundConnectionRecord,
} from './types.ts'
